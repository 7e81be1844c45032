//! The tap: every event of a run goes into its recording, in the order it was told.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::SCHEMA;
use super::anonymize::Anonymizer;
use super::context::{Context, carried_on};
use super::limits::Rotation;
use super::line::{Account, End, Header, Start};
use super::place::Place;
use super::report::{Reason, Report};
use super::ring::{Contents, Ring};
use super::segment::{Segment, Sums};
use super::trigger::{Trigger, Triggers};
use super::writer::Writer;
use super::written::Written;
use crate::event::{Event, HostDescribed, Time};

/// Writes the recording of a run. It never stands in the way of the run: when it cannot go on, it says so once and
/// stops; when it does not keep up, it says what is missing.
pub struct Recorder {
    /// `None`: it has stopped.
    writer: Option<Writer>,
    rotation: Option<Rotation>,
    compressed: bool,
    context: Context,
    run: Option<Run>,
    segment: Option<Segment>,
    flight: Option<InFlight>,
    anonymizer: Option<Anonymizer>,
    failed: Option<anyhow::Error>,
    report: Report,
    written: Written,
    /// Events that the disk had no time for.
    missing: u64,
}

/// How a flight recorder works: it remembers, and writes when there is a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// How far back it remembers.
    pub span: Duration,
    /// How long it goes on writing after a reason.
    pub after: Duration,
    pub triggers: Vec<Trigger>,
}

/// A flight recorder at work.
struct InFlight {
    ring: Ring,
    triggers: Triggers,
    after: Duration,
    /// Until when it writes what comes.
    until: Time,
}

/// What the segments of a run share.
struct Run {
    id: String,
    host: HostDescribed,
    /// The next segment's place.
    number: u32,
    /// In the segments before the open one.
    events: u64,
    now: Time,
}

impl Recorder {
    /// For a run that cannot wait: where the disk does not keep up, events are missing.
    pub fn new(place: Place) -> anyhow::Result<Self> {
        Self::start(place, false)
    }

    /// For copies: where the disk does not keep up, it is waited for.
    pub fn patient(place: Place) -> anyhow::Result<Self> {
        Self::start(place, true)
    }

    fn start(place: Place, patient: bool) -> anyhow::Result<Self> {
        let Place { target, rotation, compressed, whereabouts } = place;
        let writer = Writer::start(target, patient);
        Ok(Self {
            writer: Some(writer.context("cannot start the thread that writes the recording")?),
            rotation,
            compressed,
            context: Context::default(),
            run: None,
            segment: None,
            flight: None,
            anonymizer: None,
            failed: None,
            report: Report::of(whereabouts),
            written: Written::default(),
            missing: 0,
        })
    }

    /// Tells a person what is written, when, and why; but nothing of what goes into a pipe.
    pub fn reporting_to(mut self, person: impl Write + Send + 'static) -> Self {
        self.report.to(person);
        self
    }

    /// Addresses and names are replaced before anything else is done with them.
    pub fn anonymized_by(mut self, anonymizer: Option<Anonymizer>) -> Self {
        self.anonymizer = anonymizer;
        self
    }

    /// One that writes only when there is a reason.
    pub fn in_flight(place: Place, flight: &Flight) -> anyhow::Result<Self> {
        let ring = Ring::new(flight.span)?;
        let triggers = Triggers::new(&flight.triggers);
        let mut recorder = Self::new(place)?;
        recorder.report.flies(flight);
        recorder.flight =
            Some(InFlight { ring, triggers, after: flight.after, until: Time::default() });
        Ok(recorder)
    }

    /// Takes the next event of the run; the first must describe the host.
    pub fn record(&mut self, event: &Event) {
        self.attempt(|recorder| match &mut recorder.anonymizer {
            Some(anonymizer) => {
                let event = anonymizer.replace(event)?;
                recorder.try_record(&event)
            }
            None => recorder.try_record(event),
        });
    }

    /// The run has found this cause.
    pub fn concluded(&mut self, code: &str) {
        let reason = self.flight.as_ref().and_then(|flight| flight.triggers.on_cause(code));
        if let Some(reason) = reason {
            self.trigger(&reason);
        }
    }

    /// Writes what is remembered, and what comes for a while. Nothing happens unless this is a flight recorder.
    pub fn trigger(&mut self, reason: &str) {
        self.attempt(|recorder| recorder.try_trigger(reason));
    }

    /// Is there something that [`Self::trigger`] would write?
    pub fn is_flight_recorder(&self) -> bool {
        self.flight.is_some()
    }

    /// It could not go on, and takes nothing any more.
    pub fn has_stopped(&self) -> bool {
        self.writer.is_none()
    }

    fn attempt(&mut self, what: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        let Some(writer) = &self.writer else { return };
        if writer.has_stopped() {
            self.stop(Ok(()));
        } else if let Err(error) = what(self) {
            self.stop(Err(error));
        }
    }

    fn try_record(&mut self, event: &Event) -> anyhow::Result<()> {
        if let Event::HostDescribed(host) = event {
            return self.begin_run(host);
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        run.now = run.now.max(event.time());
        let now = run.now;
        match &mut self.flight {
            Some(flight) if self.segment.is_none() => flight.ring.remember(now, event)?,
            _ => self.write(now, event)?,
        }
        if let Event::Tick { .. } = event {
            self.report.armed();
        }
        self.end_if_due(now)?;
        let reason = self.flight.as_mut().and_then(|flight| flight.triggers.on_event(event));
        reason.map_or(Ok(()), |reason| self.try_trigger(&reason))
    }

    fn write(&mut self, now: Time, event: &Event) -> anyhow::Result<()> {
        if self.segment.is_none() {
            let context = self.context.retold(now);
            self.begin_segment(Start::Rotation, now, &context)?;
        }
        match &mut self.flight {
            Some(flight) => flight.ring.passed_by(event),
            None => self.context.observe(event),
        }
        let context = self.flight.as_ref().map_or(&self.context, |flight| flight.ring.context());
        let (Some(segment), Some(writer)) = (&mut self.segment, &self.writer) else {
            return Ok(());
        };
        Ok(segment.event(writer, now, event, context)?)
    }

    /// A flight recorder waits for a reason to begin its first segment.
    fn begin_run(&mut self, host: &HostDescribed) -> anyhow::Result<()> {
        self.end_run(None)?;
        self.context = Context::default();
        let id = format!("{}@{}", host.boot_id, host.time);
        let (host, now) = (host.clone(), host.time);
        self.report.begun(&host);
        self.run = Some(Run { id, host, number: 0, events: 0, now });
        if self.flight.is_some() { Ok(()) } else { self.begin_segment(Start::Run, now, &[]) }
    }

    fn begin_segment(&mut self, start: Start, at: Time, context: &[Event]) -> anyhow::Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let header = Header {
            schema: SCHEMA,
            run: run.id.clone(),
            number: run.number,
            start,
            events_before: run.events,
            context: u64::try_from(context.len())?,
            host: carried_on(&run.host, at),
        };
        let Some(writer) = &self.writer else { return Ok(()) };
        run.number += 1;
        self.segment = Some(Segment::begin(writer, self.compressed, at, &header, context)?);
        Ok(())
    }

    fn try_trigger(&mut self, reason: &str) -> anyhow::Result<()> {
        let (Some(flight), Some(run)) = (&mut self.flight, &mut self.run) else { return Ok(()) };
        flight.until = run.now.plus(flight.after);
        if self.segment.is_some() {
            return Ok(());
        }
        let (at, after) = (run.now, flight.after);
        let Contents { since, context, frames, events_before } = flight.ring.take(at)?;
        run.events = events_before;
        let since = since.unwrap_or(at);
        let events = frames.iter().map(|frame| frame.events).sum();
        self.begin_segment(Start::Trigger(reason.to_owned()), since, &context)?;
        if let (Some(segment), Some(writer)) = (&mut self.segment, &self.writer) {
            for frame in frames {
                segment.frame(writer, frame);
            }
            let reason = Reason { what: reason, at, since, events, after };
            self.report.triggered(&reason, segment.name());
        }
        Ok(())
    }

    /// Segments of a directory end when they are full, those of a flight recorder some time after the reason.
    fn end_if_due(&mut self, now: Time) -> anyhow::Result<()> {
        let continues = match &self.flight {
            Some(flight) if now >= flight.until => false,
            Some(_) => return Ok(()),
            None => true,
        };
        if !continues || self.is_full(now) { self.end_segment(continues, None) } else { Ok(()) }
    }

    /// Not while the writer is behind: the next header must not wait behind what is missing.
    fn is_full(&self, now: Time) -> bool {
        let (Some(segment), Some(rotation)) = (&self.segment, self.rotation) else { return false };
        let full = segment.size() >= rotation.size || segment.age(now) >= rotation.age;
        full && self.writer.as_ref().is_some_and(Writer::keeps_up)
    }

    /// Says why, once. What was written stays, and can be read.
    fn stop(&mut self, done: anyhow::Result<()>) {
        self.segment = None;
        let Err(error) = self.close().and(done) else { return };
        self.failed = Some(if is_broken_pipe(&error) { error } else { announce(&error) });
    }

    /// Closes the recording, and waits until it is written. An error that stopped it earlier is told here again, for
    /// the exit code. There is no account when a run is copied whose own end is not known.
    pub fn finish(mut self, account: Option<Account>) -> anyhow::Result<()> {
        let ended = self.end(account);
        self.report.ended(&self.written, self.missing, account);
        ended
    }

    fn end(&mut self, account: Option<Account>) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let ended = self.end_run(account);
        self.close()
            .and(ended)
            .context("the end of the recording cannot be written. What came before it can be read")
    }

    /// Waits until everything is written.
    fn close(&mut self) -> anyhow::Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let (written, ended) = writer.finish();
        self.written = written;
        ended
    }

    fn end_run(&mut self, account: Option<Account>) -> anyhow::Result<()> {
        let (now, flies) = (self.run.as_ref().map(|run| run.now), self.flight.is_some());
        if let Some(now) = now
            && self.segment.is_none()
            && !flies
        {
            self.begin_segment(Start::Rotation, now, &self.context.retold(now))?;
        }
        self.end_segment(false, account.filter(|_| !flies))
    }

    fn end_segment(&mut self, continues: bool, account: Option<Account>) -> anyhow::Result<()> {
        let context = self.flight.as_ref().map_or(&self.context, |flight| flight.ring.context());
        let (Some(segment), Some(writer), Some(run)) =
            (self.segment.take(), &self.writer, &mut self.run)
        else {
            return Ok(());
        };
        let end = |events| End { events, continues, account };
        let Sums { events, missing } = segment.end(writer, run.now, context, end)?;
        run.events += events;
        self.missing += missing;
        Ok(())
    }
}

/// One sentence now, and another one for the end.
fn announce(error: &anyhow::Error) -> anyhow::Error {
    log::error!("recording has stopped: {error:#}. What was recorded until now can be read");
    anyhow!("the recording ends before the run did; see above")
}

/// Who read the recording has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}

/// A run that fails leaves a whole recording all the same, but no account.
impl Drop for Recorder {
    fn drop(&mut self) {
        let ended = self.end_run(None);
        self.stop(ended);
        self.report.ended(&self.written, self.missing, None);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroU32;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::event::{LossStage, TcpState};
    use crate::explain::story::Story;
    use crate::recording::limits::{Floor, Retention};
    use crate::recording::place::Whereabouts;
    use crate::recording::samples::{Folder, Heard, described, refusals, replayed, reset, tick};
    use crate::recording::target::Target;

    const FREE: Floor = Floor::Percent(0);

    fn rotated(path: &Path, size: u64, keep: u32) -> Recorder {
        let rotation = Rotation { size, age: Duration::from_hours(1) };
        let keep = NonZeroU32::new(keep).unwrap();
        let retention = Retention { keep, max_disk: u64::MAX, min_free: FREE };
        Recorder::new(Place::directory(path, rotation, retention).unwrap()).unwrap()
    }

    fn in_one_file(path: &Path) -> Recorder {
        Recorder::new(Place::file(path, FREE).unwrap()).unwrap()
    }

    fn tell(recorder: &mut Recorder, events: &[Event]) {
        for event in events {
            recorder.record(event);
        }
    }

    fn record(mut recorder: Recorder, events: &[Event]) {
        tell(&mut recorder, events);
        recorder.finish(Some(Account::default())).unwrap();
    }

    /// Only the first line says when the host was described, and the rest is told as it was.
    fn same(told: &[Event], recorded: &[Event]) {
        assert_eq!(told.len(), recorded.len());
        assert!(told == recorded, "told: {told:#?}\nrecorded: {recorded:#?}");
    }

    #[test]
    fn segments_tell_together_what_one_file_tells() {
        let (folder, events) = (Folder::new(), refusals(3_000, 10));
        let (segments, one) = (folder.path().join("d"), folder.path().join("one.jsonl.zst"));
        record(rotated(&segments, 1_000, 100), &events);
        record(in_one_file(&one), &events);
        assert!(fs::read_dir(&segments).unwrap().count() > 3);
        same(&replayed(&[segments]).0, &events);
        same(&replayed(&[one]).0, &events);
    }

    #[test]
    fn each_segment_can_be_read_alone() {
        let (folder, events) = (Folder::new(), refusals(3_000, 10));
        record(rotated(folder.path(), 1_000, 100), &events);
        let mut resets = 0;
        for name in folder.names() {
            let (told, failed) = replayed(&[folder.path().join(&name)]);
            assert_eq!(failed, 0, "{name}");
            let kinds = ["host", "coverage", "namespace", "listener"]
                .map(|kind| told.iter().filter(|event| kind_of(event) == kind).count());
            assert_eq!(kinds, [1; 4], "{name} tells what it needs");
            resets += told.iter().filter(|event| kind_of(event) == "reset").count();
        }
        assert_eq!(resets, 3_000);
    }

    fn kind_of(event: &Event) -> &'static str {
        match event {
            Event::HostDescribed(_) => "host",
            Event::CoverageDeclared(_) => "coverage",
            Event::NamespaceDescribed(_) => "namespace",
            Event::ListenerFound(_) => "listener",
            Event::RstSent(_) => "reset",
            _ => "other",
        }
    }

    #[test]
    fn only_so_many_segments_stay() {
        let folder = Folder::new();
        record(rotated(folder.path(), 1_000, 2), &refusals(3_000, 10));
        let names = folder.names();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names[1] > names[0] && !names[0].contains("-00000."), "the newest: {names:?}");
    }

    #[test]
    fn a_recording_cut_anywhere_tells_a_beginning_of_what_was() {
        let (folder, events) = (Folder::new(), refusals(60, 100));
        let (path, cut_path) = (folder.path().join("x.jsonl.zst"), folder.path().join("cut.zst"));
        record(in_one_file(&path), &events);
        let bytes = fs::read(&path).unwrap();
        let ends = frame_ends(&bytes);
        let in_frames = |frames: usize| {
            fs::write(&cut_path, &bytes[..ends[frames]]).unwrap();
            replayed(std::slice::from_ref(&cut_path)).0.len()
        };
        let told: Vec<_> = (0..ends.len()).map(in_frames).collect();
        assert!(ends.len() > 4 && told.last() == Some(&events.len()));
        for cut in 0..bytes.len() {
            fs::write(&cut_path, &bytes[..cut]).unwrap();
            let (found, failed) = replayed(std::slice::from_ref(&cut_path));
            let whole = ends.iter().rposition(|end| *end <= cut).unwrap_or(0);
            assert!(failed == 0 || whole == 0, "cut at {cut}");
            assert!(found.len() >= told[whole], "cut at {cut}: at most the open frame is lost");
            assert!(found == events[..found.len()], "cut at {cut}");
        }
    }

    /// Offsets behind each frame, from 0.
    fn frame_ends(bytes: &[u8]) -> Vec<usize> {
        let mut ends = vec![0];
        while let Some(at) = ends.last().copied().filter(|at| *at < bytes.len()) {
            ends.push(at + zstd::zstd_safe::find_frame_compressed_size(&bytes[at..]).unwrap());
        }
        ends
    }

    #[test]
    fn a_run_that_fails_leaves_a_whole_recording_without_an_account() {
        let (folder, events) = (Folder::new(), refusals(20, 10));
        let path = folder.path().join("x.jsonl.zst");
        let mut recorder = in_one_file(&path);
        tell(&mut recorder, &events);
        drop(recorder);
        same(&replayed(std::slice::from_ref(&path)).0, &events);
        let mut stream = crate::recording::Stream::open(&[path]);
        while stream.next_told().is_some() {}
        assert_eq!(stream.account(), None);
    }

    #[test]
    fn a_run_that_was_never_told_anything_leaves_nothing() {
        let folder = Folder::new();
        drop(in_one_file(&folder.path().join("x.jsonl.zst")));
        drop(rotated(folder.path(), 1_000, 2));
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn a_second_recording_of_the_same_name_is_refused() {
        let folder = Folder::new();
        let path = folder.path().join("x.jsonl.zst");
        let refused = || Place::file(&path, FREE).err().unwrap().to_string();
        let first = in_one_file(&path);
        assert!(refused().contains("another tcpwatch records to"), "{}", refused());
        record(first, &refusals(5, 10));
        assert!(refused().contains("exists already"), "{}", refused());
        fs::rename(&path, path.with_added_extension("part")).unwrap();
        assert!(refused().contains("has just been repaired"));
        assert!(refused().contains("exists already"), "{}", refused());
    }

    #[test]
    fn what_it_says_was_written_is_on_disk() {
        let (folder, heard, events) = (Folder::new(), Heard::default(), refusals(3_000, 10));
        let path = folder.path().join("d");
        record(rotated(&path, 1_000, 5).reporting_to(heard.clone()), &events);
        let said = heard.text();
        assert!(said.starts_with(&format!("recorded  {} events, ", events.len() - 1)), "{said}");
        let (begun, gone) = (number_before(&said, " segments)"), number_before(&said, " oldest"));
        assert_eq!(begun - gone, fs::read_dir(&path).unwrap().count(), "{said}");
    }

    fn number_before(text: &str, word: &str) -> usize {
        let before = &text[..text.find(word).expect("the word is there")];
        let digits = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
        before[digits..].parse().expect("a number is there")
    }

    fn in_flight(folder: &Folder, heard: &Heard) -> Recorder {
        let rotation = Rotation { size: u64::MAX, age: Duration::MAX };
        let (keep, max_disk) = (NonZeroU32::new(9).unwrap(), u64::MAX);
        let retention = Retention { keep, max_disk, min_free: FREE };
        let place = Place::directory(folder.path(), rotation, retention).unwrap();
        let triggers = vec![Trigger::Cause("no-listener".into())];
        let (span, after) = (Duration::from_mins(1), Duration::from_secs(1));
        let recorder = Recorder::in_flight(place, &Flight { span, after, triggers });
        recorder.unwrap().reporting_to(heard.clone())
    }

    #[test]
    fn a_flight_recorder_says_which_file_has_what_it_remembered_and_why() {
        let (folder, heard, events) = (Folder::new(), Heard::default(), refusals(20, 10));
        let mut recorder = in_flight(&folder, &heard);
        tell(&mut recorder, &events);
        recorder.concluded("scan");
        assert_eq!(folder.names(), [""; 0]);
        recorder.concluded("no-listener");
        recorder.finish(Some(Account::default())).unwrap();
        let said = heard.text();
        let line = said.lines().find(|line| line.starts_with("triggered by cause no-listener at "));
        let (_, file) = line.and_then(|line| line.rsplit_once(" go to ")).expect("it says where");
        assert_eq!(number_before(&said, " events) and the next 1 s go to "), events.len() - 1);
        same(&replayed(&[file.into()]).0, &events);
    }

    #[test]
    fn a_flight_recorder_without_a_reason_writes_nothing_and_says_so() {
        let (folder, heard) = (Folder::new(), Heard::default());
        let mut recorder = in_flight(&folder, &heard);
        tell(&mut recorder, &refusals(20, 10));
        recorder.finish(Some(Account::default())).unwrap();
        let said = heard.text();
        assert_eq!(folder.names(), [""; 0]);
        assert_eq!(said.matches("armed     the last 60 s are kept in memory").count(), 1, "{said}");
        assert!(
            said.contains("recorded  nothing: it waited for cause no-listener or SIGUSR1"),
            "{said}"
        );
    }

    #[test]
    fn what_it_says_after_a_failure_is_on_disk_too() {
        let (folder, heard, (answer, answers)) = (Folder::new(), Heard::default(), channel());
        let path = folder.path().join("x");
        let target = Box::new(Scripted(answers, fs::File::create_new(&path).unwrap()));
        let whereabouts = Whereabouts::File(path.clone());
        let place = Place { target, rotation: None, compressed: false, whereabouts };
        let mut recorder = Recorder::new(place).unwrap().reporting_to(heard.clone());
        answer.send(None).unwrap();
        answer.send(Some(io::ErrorKind::StorageFull)).unwrap();
        tell(&mut recorder, &refusals(5, 10));
        until_stopped(&mut recorder);
        recorder.finish(None).unwrap_err();
        let bytes = fs::metadata(&path).unwrap().len();
        let said = heard.text();
        assert!(said.starts_with(&format!("recorded  0 events, {bytes} bytes, to ")), "{said}");
    }

    /// A disk that answers each write as it is told to.
    struct Scripted(Receiver<Option<io::ErrorKind>>, fs::File);

    impl Target for Scripted {
        fn begin(&mut self, _name: &str) -> anyhow::Result<()> {
            Ok(())
        }

        fn write(&mut self, frame: &[u8]) -> anyhow::Result<()> {
            match self.0.recv() {
                Ok(Some(kind)) => Err(io::Error::from(kind).into()),
                _ => Ok(Write::write_all(&mut self.1, frame)?),
            }
        }

        fn end(&mut self) -> anyhow::Result<()> {
            Ok(())
        }
    }

    fn to_script(answers: Receiver<Option<io::ErrorKind>>, path: &Path) -> Recorder {
        let target = Box::new(Scripted(answers, fs::File::create_new(path).unwrap()));
        let whereabouts = Whereabouts::Pipe;
        Recorder::new(Place { target, rotation: None, compressed: false, whereabouts }).unwrap()
    }

    /// Ticks until the recorder has noticed.
    fn until_stopped(recorder: &mut Recorder) {
        let mut now = Time(2_000_000_000);
        while !recorder.has_stopped() {
            now = now.plus(Duration::from_secs(1));
            recorder.record(&tick(now));
        }
    }

    #[test]
    fn a_full_disk_stops_the_recording_and_nothing_else() {
        let (folder, (answer, answers)) = (Folder::new(), channel());
        let mut recorder = to_script(answers, &folder.path().join("x"));
        answer.send(None).unwrap();
        answer.send(Some(io::ErrorKind::StorageFull)).unwrap();
        tell(&mut recorder, &refusals(5, 10));
        until_stopped(&mut recorder);
        recorder.record(&reset(Time(9_000_000_000)));
        let error = recorder.finish(None).unwrap_err();
        assert_eq!(error.to_string(), "the recording ends before the run did; see above");
        assert_eq!(replayed(&[folder.path().join("x")]), (refusals(0, 10)[..1].to_vec(), 0));
    }

    #[test]
    fn a_reader_that_is_gone_is_told_as_that() {
        let (folder, (answer, answers)) = (Folder::new(), channel());
        let mut recorder = to_script(answers, &folder.path().join("x"));
        answer.send(Some(io::ErrorKind::BrokenPipe)).unwrap();
        tell(&mut recorder, &refusals(5, 10));
        until_stopped(&mut recorder);
        assert!(is_broken_pipe(&recorder.finish(None).unwrap_err()));
    }

    #[test]
    fn what_a_hung_disk_does_not_take_is_missing_and_told() {
        let (folder, (answer, answers)) = (Folder::new(), channel());
        let (path, run) = (folder.path().join("x"), refusals(60_000, 10));
        let mut recorder = to_script(answers, &path);
        tell(&mut recorder, &run);
        let gone = described(run.last().unwrap().time(), 9);
        recorder.record(&gone);
        drop(answer);
        recorder.finish(Some(Account::default())).unwrap();
        let (told, failed) = replayed(&[path]);
        let present = told.iter().filter(|event| kind_of(event) == "reset").count();
        let missing: u64 = told.iter().filter_map(missing_resets).sum();
        assert!(failed == 0 && present > 1_000 && missing > 1_000, "{present} {missing}");
        assert_eq!(present as u64 + missing, 60_000);
        assert!(told.contains(&gone), "what was described meanwhile is told again");
    }

    fn missing_resets(event: &Event) -> Option<u64> {
        match event {
            Event::EventsLost(lost) => {
                assert_eq!(lost.stage, LossStage::Recording);
                Some(lost.count)
            }
            _ => None,
        }
    }

    /// How fast, and how small? Asserts that nothing is missing, and prints the rest.
    #[test]
    #[ignore = "a measurement: cargo test --release -p tcpwatch --lib million -- --ignored --nocapture"]
    #[expect(clippy::print_stdout, reason = "a measurement is read by the person who started it")]
    fn a_million_events_are_recorded_and_replayed() {
        const COUNT: u32 = 1_000_000;
        let folder = Folder::new();
        let path = folder.path().join("x.jsonl.zst");
        let mut recorder = Recorder::patient(Place::file(&path, FREE).unwrap()).unwrap();
        let host = refusals(0, 0);
        let [sent, received] = both_ends_of_a_refusal();
        let begun = std::time::Instant::now();
        tell(&mut recorder, &host);
        for n in 0..COUNT / 2 {
            let time = Time(2_000_000_000 + u64::from(n) * 50_000);
            let port = 1_024 + u16::try_from(n % 60_000).unwrap();
            recorder.record(&sent(time, port, n));
            recorder.record(&received(time, port, n));
        }
        recorder.finish(None).unwrap();
        let took = begun.elapsed().as_secs_f64();
        let begun = std::time::Instant::now();
        let told = replayed(std::slice::from_ref(&path)).0;
        let is_reset = |event: &&Event| matches!(event, Event::RstSent(_) | Event::RstReceived(_));
        // What the first segment tells of the host, the next ones tell again.
        let before = host.iter().filter(is_reset).count();
        assert_eq!(told.iter().filter(is_reset).count(), before + COUNT as usize);
        let (bytes, read) = (fs::metadata(&path).unwrap().len(), begun.elapsed().as_secs_f64());
        let count = f64::from(COUNT);
        println!(
            "{:.1} bytes per event, {:.0} events recorded and {:.0} read per second",
            f64::from(u32::try_from(bytes).unwrap()) / count,
            count / took,
            count / read
        );
    }

    type Told = Box<dyn Fn(Time, u16, u32) -> Event>;

    fn both_ends_of_a_refusal() -> [Told; 2] {
        let (server, client) = ("10.0.0.1:80", "10.0.0.9:1024");
        let story = Story::new().syn_meets_nobody(server, client);
        let mut events = story.receives(client, server, 0, TcpState::SynSent).events();
        let (received, sent) = (events.pop(), events.pop());
        let sent = move |time, port, seq| match sent.clone() {
            Some(Event::RstSent(mut rst)) => {
                (rst.time, rst.flow.remote.port, rst.segment.seq) = (time, port, seq);
                Event::RstSent(rst)
            }
            other => unreachable!("the story tells of a reset, not of {other:?}"),
        };
        let received = move |time, port, seq| match received.clone() {
            Some(Event::RstReceived(mut rst)) => {
                (rst.time, rst.flow.local.port, rst.seq) = (time, port, seq);
                Event::RstReceived(rst)
            }
            other => unreachable!("the story ends with a reset, not with {other:?}"),
        };
        [Box::new(sent), Box::new(received)]
    }
}
