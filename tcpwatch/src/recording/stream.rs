//! The recordings of several hosts, each read in its own order, told together by wall clock.

use std::path::PathBuf;
use std::rc::Rc;

use super::inputs::{Inputs, boot};
use super::lane::{Lane, Said};
use super::line::Account;
use crate::event::{Event, HostDescribed, HostId};

/// What recordings have to tell, one thing at a time.
pub struct Stream {
    lanes: Vec<Running>,
    /// So many hosts were known from the beginning, each with a lane.
    hosts: usize,
    /// Hosts that turned up in the files of others: the lane, and the boot.
    strangers: Vec<(usize, String)>,
    failures: std::vec::IntoIter<String>,
    failed: u64,
    /// Each lane to its end before the next.
    host_by_host: bool,
}

/// A lane on its way.
struct Running {
    lane: Lane,
    /// Of whom it tells at the moment.
    telling: HostId,
    at_end: bool,
}

/// One thing a recording tells.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly all are events")]
pub enum Told {
    Event(HostId, Event),
    /// Nothing more comes of this host.
    Ended(HostId),
    /// About a recording itself: one sentence for a person.
    Note(String),
}

/// From when to when recordings reach, by the wall clocks of their hosts, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: i128,
    /// `None`: one of them can be read only once, and has not been.
    pub last: Option<i128>,
}

impl Stream {
    /// Files, directories of them, and `-` for stdin.
    pub fn open(inputs: &[PathBuf]) -> Self {
        let mut inputs = Inputs::look_at(inputs);
        let failures = std::mem::take(&mut inputs.failures);
        let failed = u64::try_from(failures.len()).unwrap_or(u64::MAX);
        let read = Rc::default();
        let lanes = inputs.by_host().into_iter().map(|host| Lane::new(host, Rc::clone(&read)));
        let running = |(index, lane)| Running { lane, telling: HostId(index), at_end: false };
        let lanes: Vec<_> = lanes.enumerate().map(running).collect();
        let hosts = lanes.len();
        let (strangers, failures, host_by_host) = (Vec::new(), failures.into_iter(), false);
        Self { lanes, hosts, strangers, failures, failed, host_by_host }
    }

    /// For those who copy: hosts are not merged, but told one after the other.
    pub fn host_by_host(self) -> Self {
        Self { host_by_host: true, ..self }
    }

    /// How many hosts there are recordings of.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// When the first recording begins, in nanoseconds since 1970.
    pub fn began(&self) -> i128 {
        self.lanes.iter().map(|running| running.lane.wall()).min().unwrap_or_default()
    }

    /// Reads what has to be read for that; to be called before anything is told.
    pub fn extent(&self) -> Extent {
        let first = self.began();
        let last = self
            .lanes
            .iter()
            .map(|running| running.lane.end())
            .try_fold(first, |last, end| Some(last.max(end?)));
        Extent { first, last }
    }

    /// The next thing; `None` when everything has been read.
    pub fn next_told(&mut self) -> Option<Told> {
        if let Some(failure) = self.failures.next() {
            return Some(Told::Note(failure));
        }
        let mut running = self.lanes.iter().enumerate().filter(|(_, running)| !running.at_end);
        let next = if self.host_by_host {
            running.next()
        } else {
            running.min_by_key(|(_, running)| running.lane.wall())
        };
        let (index, _) = next?;
        match self.lanes[index].lane.next_said() {
            Some(Said::Event(Event::HostDescribed(host))) => Some(self.begins(index, host)),
            Some(Said::Event(event)) => Some(Told::Event(self.lanes[index].telling, event)),
            Some(Said::Note(note)) => Some(Told::Note(note)),
            None => {
                self.lanes[index].at_end = true;
                Some(Told::Ended(self.lanes[index].telling))
            }
        }
    }

    /// The sum of what the runs said of themselves; `None` unless all of them ended with an account.
    pub fn account(&self) -> Option<Account> {
        let accounts = self.lanes.iter().map(|running| &running.lane.accounts);
        let ended = accounts.clone().all(|accounts| accounts.unended == 0);
        let told = accounts.flat_map(|accounts| accounts.told.iter().copied());
        told.reduce(Account::plus).filter(|_| ended)
    }

    /// How many inputs could not be read as far as they go.
    pub fn failed(&self) -> u64 {
        self.failed + self.lanes.iter().map(|running| running.lane.failed).sum::<u64>()
    }

    fn begins(&mut self, index: usize, host: HostDescribed) -> Told {
        let of_this_lane = self.lanes[index].lane.is_of(&host);
        let id = if of_this_lane { HostId(index) } else { self.stranger(index, boot(&host)) };
        self.lanes[index].telling = id;
        Told::Event(id, Event::HostDescribed(host))
    }

    fn stranger(&mut self, lane: usize, boot: &str) -> HostId {
        let known = self.strangers.iter().position(|(of, known)| *of == lane && known == boot);
        let place = known.unwrap_or_else(|| {
            self.strangers.push((lane, boot.to_owned()));
            self.strangers.len() - 1
        });
        HostId(self.hosts + place)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroU32;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::event::{EventsLost, LossStage, Time};
    use crate::explain::story::Story;
    use crate::recording::{EXTENSION, Floor, PART, Place, Recorder, Retention, Rotation};

    /// A directory that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("tcpwatch-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        /// The files in it, by name.
        fn files(&self) -> Vec<PathBuf> {
            let mut files: Vec<_> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Ten seconds of a host, with one refusal and one tick in each.
    fn run(hostname: &str, boot_id: &str, begin: u64) -> Vec<Event> {
        let story = (0..10).fold(Story::new(), |story, n| {
            story.syn_meets_nobody("10.0.0.1:80", &format!("10.0.0.9:{n}")).after(1_000)
        });
        let mut events = story.events();
        for n in (0..10).rev() {
            let at = events.iter().position(|event| event.time() > Time((n + 1) * 1_000_000_000));
            let time = Time((n + 1) * 1_000_000_000 + 1);
            events.insert(at.unwrap_or(events.len()), Event::Tick { time });
        }
        for event in &mut events {
            shift(event, begin);
        }
        if let Some(Event::HostDescribed(host)) = events.first_mut() {
            host.wall += begin * 1_000_000_000;
            (host.hostname, host.boot_id) = (hostname.into(), boot_id.into());
        }
        events
    }

    fn shift(event: &mut Event, seconds: u64) {
        let by = Duration::from_secs(seconds);
        match event {
            Event::HostDescribed(e) => e.time = e.time.plus(by),
            Event::CoverageDeclared(e) => e.time = e.time.plus(by),
            Event::NamespaceDescribed(e) => e.time = e.time.plus(by),
            Event::RstSent(e) => e.time = e.time.plus(by),
            Event::Tick { time } => *time = time.plus(by),
            other => unreachable!("a run has no {other:?}"),
        }
    }

    fn record(events: &[Event], to: &Path, age: Duration) {
        let (rotation, min_free) = (Rotation { size: u64::MAX, age }, Floor::Percent(0));
        let retention = Retention { keep: NonZeroU32::MAX, max_disk: u64::MAX, min_free };
        record_at(events, Place::directory(to, rotation, retention).unwrap());
    }

    fn record_file(events: &[Event], to: &Path) {
        record_at(events, Place::file(to, Floor::Percent(0)).unwrap());
    }

    fn record_at(events: &[Event], place: Place) {
        let mut recorder = Recorder::patient(place).unwrap();
        for event in events {
            recorder.record(event);
        }
        recorder.finish(Some(Account::default())).unwrap();
    }

    /// Several segments.
    fn rotated() -> (Vec<Event>, Scratch) {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        record(&events, &scratch.0, SECOND * 3);
        assert!(scratch.files().len() > 2, "{:?}", scratch.files());
        (events, scratch)
    }

    /// All that was told.
    #[derive(Debug)]
    struct Heard {
        events: Vec<(usize, Event)>,
        notes: Vec<String>,
        failed: u64,
        whole: bool,
    }

    fn heard(inputs: &[PathBuf]) -> Heard {
        let mut stream = Stream::open(inputs);
        let (mut events, mut notes) = (Vec::new(), Vec::new());
        while let Some(told) = stream.next_told() {
            match told {
                Told::Event(host, event) => events.push((host.0, event)),
                Told::Ended(_) => {}
                Told::Note(note) => notes.push(note),
            }
        }
        Heard { events, notes, failed: stream.failed(), whole: stream.account().is_some() }
    }

    impl Heard {
        fn of(&self, host: usize) -> Vec<Event> {
            self.events.iter().filter(|(of, _)| *of == host).map(|(_, e)| e.clone()).collect()
        }

        fn all(&self) -> Vec<Event> {
            self.events.iter().map(|(_, event)| event.clone()).collect()
        }

        fn lost(&self) -> Vec<&EventsLost> {
            let lost = |(_, event): &'_ (usize, Event)| matches!(event, Event::EventsLost(_));
            let lost = self.events.iter().filter(|told| lost(told));
            lost.filter_map(|(_, event)| match event {
                Event::EventsLost(lost) => Some(lost),
                _ => None,
            })
            .collect()
        }

        fn said(&self, what: &str) -> bool {
            self.notes.iter().any(|note| note.contains(what))
        }

        fn starts(&self) -> usize {
            let is_start = |event: &Event| matches!(event, Event::HostDescribed(_));
            self.events.iter().filter(|(_, event)| is_start(event)).count()
        }

        fn resets(&self) -> usize {
            self.events.iter().filter(|(_, event)| matches!(event, Event::RstSent(_))).count()
        }

        fn is_whole(&self, events: &[Event]) {
            assert_eq!((&self.notes[..], self.failed, self.whole), (&[][..], 0, true));
            assert_eq!(self.all(), events);
        }
    }

    #[test]
    fn segments_of_a_run_are_one_stream_in_whatever_order_they_come() {
        let (events, scratch) = rotated();
        heard(std::slice::from_ref(&scratch.0)).is_whole(&events);
        let mut files = scratch.files();
        files.reverse();
        heard(&files).is_whole(&events);
    }

    #[test]
    fn what_is_there_twice_is_read_once() {
        let (events, scratch) = rotated();
        let copies = Scratch::new();
        for file in scratch.files() {
            fs::copy(&file, copies.at(file.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        let [first, ..] = &scratch.files()[..] else { panic!() };
        heard(&[copies.0.clone(), scratch.0.clone(), first.clone(), first.clone()])
            .is_whole(&events);
    }

    #[test]
    fn of_two_copies_the_longer_is_read() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        let whole = scratch.at("z.tcpw.jsonl.zst");
        record_file(&events, &whole);
        let bytes = fs::read(&whole).unwrap();
        fs::write(scratch.at("a.tcpw.jsonl.zst"), &bytes[..bytes.len() - 20]).unwrap();
        heard(std::slice::from_ref(&scratch.0)).is_whole(&events);
    }

    #[test]
    fn files_put_one_behind_the_other_are_read_as_one_by_one() {
        let (events, scratch) = rotated();
        let all =
            scratch.files().iter().flat_map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
        let elsewhere = Scratch::new();
        fs::write(elsewhere.at("all"), all).unwrap();
        heard(&[elsewhere.at("all")]).is_whole(&events);
        // And what is there again on its own is not read again.
        heard(&[elsewhere.at("all"), scratch.0.clone()]).is_whole(&events);
    }

    #[test]
    fn a_missing_segment_begins_a_new_stretch_and_proves_nothing() {
        let (_, scratch) = rotated();
        let files = scratch.files();
        fs::remove_file(&files[1]).unwrap();
        let heard = heard(std::slice::from_ref(&scratch.0));
        assert!(heard.said("begins in the middle of its run;"), "{:?}", heard.notes);
        assert_eq!((heard.starts(), heard.failed, heard.whole), (2, 0, false));
        let lost = heard.lost();
        assert!(!lost.is_empty() && lost.iter().all(|lost| lost.count == 0));
    }

    #[test]
    fn a_second_run_is_a_stretch_of_its_own() {
        let scratch = Scratch::new();
        let (first, second) = (run("node", "b0", 0), run("node", "b0", 60));
        record_file(&second, &scratch.at("a.tcpw.jsonl.zst"));
        record_file(&first, &scratch.at("b.tcpw.jsonl.zst"));
        heard(std::slice::from_ref(&scratch.0)).is_whole(&[first, second].concat());
    }

    #[test]
    fn runs_at_the_same_time_come_in_the_order_they_began() {
        let scratch = Scratch::new();
        let (first, second) = (run("node", "b0", 0), run("node", "b0", 4));
        record_file(&second, &scratch.at("a.tcpw.jsonl.zst"));
        record_file(&first, &scratch.at("b.tcpw.jsonl.zst"));
        heard(std::slice::from_ref(&scratch.0)).is_whole(&[first, second].concat());
    }

    #[test]
    fn what_is_still_being_written_is_read_as_far_as_it_goes() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        let part = scratch.at(&format!("node{EXTENSION}{PART}"));
        record_file(&events, &scratch.at("whole.tcpw.jsonl.zst"));
        let bytes = fs::read(scratch.at("whole.tcpw.jsonl.zst")).unwrap();
        fs::remove_file(scratch.at("whole.tcpw.jsonl.zst")).unwrap();
        for cut in [bytes.len() - 20, bytes.len() / 2] {
            fs::write(&part, &bytes[..cut]).unwrap();
            let heard = heard(std::slice::from_ref(&scratch.0));
            assert!(
                heard.said("it is still being written, or its writer died"),
                "{:?}",
                heard.notes
            );
            assert_eq!((heard.failed, heard.whole), (0, false));
            assert!(heard.resets() > 0 && events.starts_with(&without_losses(&heard)));
            assert!(heard.lost().iter().all(|lost| lost.count == 0));
        }
    }

    fn without_losses(heard: &Heard) -> Vec<Event> {
        let mut events = heard.all();
        events.retain(|event| !matches!(event, Event::EventsLost(_)));
        events
    }

    #[test]
    fn a_file_that_is_finished_while_we_look_is_found() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        let finished = scratch.at("node.tcpw.jsonl.zst");
        record_file(&events, &finished);
        heard(&[scratch.at("node.tcpw.jsonl.zst.part")]).is_whole(&events);
    }

    #[test]
    fn what_else_is_in_a_directory_is_left_alone() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        record_file(&events, &scratch.at("node.tcpw.jsonl.zst"));
        fs::write(scratch.at("notes.txt"), "what we saw").unwrap();
        fs::create_dir(scratch.at("old")).unwrap();
        heard(std::slice::from_ref(&scratch.0)).is_whole(&events);
    }

    #[test]
    fn hosts_are_told_together_by_their_wall_clocks() {
        let scratch = Scratch::new();
        // One has been up for longer by far.
        let (one, mut other) = (run("one", "b0", 0), run("other", "b1", 90_000));
        if let Some(Event::HostDescribed(host)) = other.first_mut() {
            host.wall -= 90_000 * 1_000_000_000 - 500_000_000;
        }
        record_file(&one, &scratch.at("one.tcpw.jsonl.zst"));
        record_file(&other, &scratch.at("other.tcpw.jsonl.zst"));
        let heard = heard(std::slice::from_ref(&scratch.0));
        assert_eq!((heard.of(0), heard.of(1)), (one, other));
        let hosts: Vec<_> = heard.events.iter().map(|(host, _)| *host).collect();
        let turns = hosts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(turns >= 10, "they take turns each second: {hosts:?}");
    }

    fn hostnames(inputs: &Scratch) -> Vec<String> {
        let told =
            heard(std::slice::from_ref(&inputs.0)).all().into_iter().filter_map(
                |event| match event {
                    Event::HostDescribed(host) => Some(host.hostname),
                    _ => None,
                },
            );
        told.collect()
    }

    #[test]
    fn a_host_is_the_same_after_a_boot() {
        let scratch = Scratch::new();
        let (first, mut second) = (run("node", "b0", 500), run("node", "b1", 10));
        if let Some(Event::HostDescribed(host)) = second.first_mut() {
            host.wall += 600 * 1_000_000_000;
        }
        record_file(&first, &scratch.at("a.tcpw.jsonl.zst"));
        record_file(&second, &scratch.at("b.tcpw.jsonl.zst"));
        assert_eq!(Stream::open(std::slice::from_ref(&scratch.0)).hosts(), 1);
        heard(std::slice::from_ref(&scratch.0)).is_whole(&[first, second].concat());
        assert_eq!(hostnames(&scratch), ["node", "node"]);
    }

    #[test]
    fn machines_of_one_name_at_the_same_time_are_two() {
        let scratch = Scratch::new();
        record_file(&run("node", "0123456789", 0), &scratch.at("a.tcpw.jsonl.zst"));
        record_file(&run("node", "9876543210", 5), &scratch.at("b.tcpw.jsonl.zst"));
        assert_eq!(Stream::open(std::slice::from_ref(&scratch.0)).hosts(), 2);
        assert_eq!(hostnames(&scratch), ["node (boot 01234567)", "node (boot 98765432)"]);
    }

    #[test]
    fn hosts_in_one_file_are_told_one_after_the_other() {
        let (one, other) = (run("one", "b0", 0), run("other", "b1", 4));
        let scratch = Scratch::new();
        record_file(&one, &scratch.at("one.tcpw.jsonl.zst"));
        record_file(&other, &scratch.at("other.tcpw.jsonl.zst"));
        let bytes =
            scratch.files().iter().flat_map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
        let together = Scratch::new();
        fs::write(together.at("all"), bytes).unwrap();
        let heard = heard(&[together.at("all")]);
        assert!(heard.said("Give them as files of their own"), "{:?}", heard.notes);
        assert_eq!((heard.of(0), heard.of(1), heard.failed), (one, other, 0));
    }

    #[test]
    fn the_extent_is_known_before_anything_is_told() {
        let (_, scratch) = rotated();
        let Extent { first, last } = Stream::open(std::slice::from_ref(&scratch.0)).extent();
        let begin = 1_700_000_000_000_000_000;
        assert_eq!((first, last), (begin, Some(begin + 9_100_000_001)));
    }

    /// Frames of half a recording each, so that something is left when one is damaged.
    fn in_frames(events: &[Event], scratch: &Scratch) -> Vec<Vec<u8>> {
        record_file(events, &scratch.at("plain.jsonl"));
        let text = fs::read(scratch.at("plain.jsonl")).unwrap();
        fs::remove_file(scratch.at("plain.jsonl")).unwrap();
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let frame = |lines: &[&[u8]]| zstd::bulk::compress(&lines.concat(), 1).unwrap();
        lines.chunks(lines.len().div_ceil(4)).map(frame).collect()
    }

    #[test]
    fn damage_in_the_middle_is_a_loss_and_what_comes_after_is_read() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        let mut frames = in_frames(&events, &scratch);
        let middle = frames[1].len() / 2;
        frames[1].truncate(middle);
        fs::write(scratch.at("node.tcpw.jsonl.zst"), frames.concat()).unwrap();
        let heard = heard(std::slice::from_ref(&scratch.0));
        assert!(
            heard.said("is damaged: ") && heard.said("; that part was left out"),
            "{:?}",
            heard.notes
        );
        assert!(heard.said(" events were recorded, "), "{:?}", heard.notes);
        assert_eq!((heard.failed, heard.starts(), heard.whole), (1, 1, true));
        assert!(heard.all().ends_with(&events[events.len() - 3..]));
        assert!(heard.resets() >= 5 && heard.resets() < 10);
        let lost = heard.lost();
        assert!(lost.iter().all(|lost| lost.stage == LossStage::Recording));
        let facts = crate::event::Fact::ALL.len();
        let counts: Vec<_> = lost.iter().map(|lost| lost.count).collect();
        assert_eq!(counts, [vec![1; facts], vec![0; 2 * facts]].concat());
        let (first, last) = (lost[0], lost[lost.len() - 1]);
        assert!(first.since == first.until && last.since == first.since && last.until > last.since);
    }

    #[test]
    fn a_line_that_is_none_is_a_loss_too() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        record_file(&events, &scratch.at("node.tcpw.jsonl"));
        let text = fs::read_to_string(scratch.at("node.tcpw.jsonl")).unwrap();
        let damaged: Vec<_> =
            text.lines().map(|line| if line.contains(":5}") { "{]" } else { line }).collect();
        assert_ne!(damaged, text.lines().collect::<Vec<_>>());
        fs::write(scratch.at("node.tcpw.jsonl"), damaged.join("\n") + "\n").unwrap();
        let heard = heard(std::slice::from_ref(&scratch.0));
        assert_eq!((heard.failed, heard.resets()), (1, 9), "{:?}", heard.notes);
    }

    #[test]
    fn events_of_unknown_form_are_lost_and_those_of_unknown_kind_are_named() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        record_file(&events, &scratch.at("node.tcpw.jsonl"));
        let text = fs::read_to_string(scratch.at("node.tcpw.jsonl")).unwrap();
        let text = text.replacen("\"tracking\":\"none\"", "\"tracking\":\"quantum\"", 1);
        let text = text.replacen("{\"type\":\"tick\"", "{\"type\":\"tock\"", 2);
        fs::write(scratch.at("node.tcpw.jsonl"), text).unwrap();
        let heard = heard(std::slice::from_ref(&scratch.0));
        let lost: Vec<_> =
            heard.lost().iter().map(|lost| (lost.fact, lost.count, lost.stage)).collect();
        assert_eq!(lost, [(crate::event::Fact::RstSent, 1, LossStage::Malformed)]);
        assert_eq!(heard.notes.len(), 1);
        assert!(heard.said("does not know events of kind \"tock\""), "{:?}", heard.notes);
        assert_eq!(heard.failed, 0);
    }

    #[test]
    fn bad_inputs_are_named_and_the_rest_is_read() {
        let (events, scratch) = (run("node", "b0", 0), Scratch::new());
        let good = scratch.at("good.tcpw.jsonl.zst");
        record_file(&events, &good);
        let plain = Scratch::new();
        record_file(&events, &plain.at("newer.jsonl"));
        let newer = fs::read_to_string(plain.at("newer.jsonl")).unwrap();
        let newer = newer.replacen("\"schema\":1", "\"schema\":99", 1);
        let headless = newer.lines().skip(1).collect::<Vec<_>>().join("\n") + "\n";
        let output = "{\"schema\":1,\"type\":\"started\"}\n";
        let cases: [(&str, &[u8], &str); 9] = [
            ("empty", b"", "is empty"),
            ("text", b"hello\n", "is not a recording of tcpwatch"),
            ("json", b"{\"type\":\"tick\"}\n", "is not a recording of tcpwatch"),
            ("headless", headless.as_bytes(), "is not a recording of tcpwatch"),
            ("binary", &[0xff; 10_000], "is not a recording of tcpwatch"),
            (
                "gz",
                b"\x1f\x8b\x08\0\0\0\0\0",
                "is not a recording of tcpwatch: it is compressed with gzip. Unpack it first: gunzip -c",
            ),
            ("zst", b"\x28\xb5\x2f\xfd\0\0\0\0", "is not a recording of tcpwatch"),
            (
                "output",
                output.as_bytes(),
                "is not a recording of tcpwatch: it is what `tcpwatch -o json` prints",
            ),
            ("newer", newer.as_bytes(), "was recorded by a newer tcpwatch (schema 99"),
        ];
        for (name, bytes, sentence) in cases {
            let bad = plain.at(name);
            fs::write(&bad, bytes).unwrap();
            let heard = heard(&[bad.clone(), good.clone()]);
            assert_eq!((heard.notes.len(), heard.failed), (1, 1), "{name}: {:?}", heard.notes);
            assert!(heard.said(&format!("{}: {sentence}", bad.display())), "{:?}", heard.notes);
            assert_eq!(heard.all(), events, "{name}");
        }
    }

    #[test]
    fn places_without_recordings_are_named() {
        let (empty, foreign) = (Scratch::new(), Scratch::new());
        fs::write(foreign.at("a.txt"), "").unwrap();
        fs::write(foreign.at("b.txt"), "").unwrap();
        let missing = empty.at("missing.tcpw.jsonl.zst");
        for (input, sentence) in [
            (&empty.0, "is an empty directory"),
            (&foreign.0, "holds no recording: none of its 2 files ends in .tcpw.jsonl.zst"),
            (&missing, "cannot be read: No such file"),
        ] {
            let heard = heard(std::slice::from_ref(input));
            assert!(heard.said(&format!("{}: {sentence}", input.display())), "{:?}", heard.notes);
            assert_eq!((heard.failed, heard.events.len()), (1, 0));
        }
    }
}
