//! Events, headers and folders for tests of this room.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::{env, fs, process};

use super::line::{Header, Start};
use crate::event::{
    ConntrackDirection, Event, FilterHook, HostDescribed, NamedPod, NamespaceDescribed, NetNs,
    Owner, PodName, TcpState, Time,
};
use crate::explain::story::{Story, reject_rule, removed};

pub(super) fn tick(time: Time) -> Event {
    Event::Tick { time }
}

pub(super) fn coverage(at: Time) -> Event {
    let mut events = Story::new().events().into_iter();
    let found = events.find_map(|event| match event {
        Event::CoverageDeclared(declared) => Some(declared),
        _ => None,
    });
    let mut declared = found.expect("a story declares its coverage");
    declared.time = at;
    Event::CoverageDeclared(declared)
}

pub(super) fn described(at: Time, netns: u32) -> Event {
    let mut events = Story::new().events().into_iter();
    let found = events.find_map(|event| match event {
        Event::NamespaceDescribed(described) => Some(described),
        _ => None,
    });
    let mut described = found.expect("a story describes its namespace");
    (described.time, described.netns) = (at, NetNs(netns));
    Event::NamespaceDescribed(described)
}

/// The namespace of a pod.
fn described_of_pod(at: Time) -> Event {
    let Event::NamespaceDescribed(described) = described(at, 9) else {
        unreachable!("a namespace was described");
    };
    let name = PodName { namespace: "shop".into(), name: "web-0".into() };
    let pod = Some(NamedPod { uid: POD.into(), name: Some(name) });
    Event::NamespaceDescribed(NamespaceDescribed { pod, ..described })
}

const POD: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

pub(super) fn reset(at: Time) -> Event {
    let mut events = Story::new().syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000").events();
    match events.pop() {
        Some(Event::RstSent(mut rst)) => {
            rst.time = at;
            Event::RstSent(rst)
        }
        other => unreachable!("the story ends with a reset, not with {other:?}"),
    }
}

/// A story with every kind of event that carries addresses, names or kernel addresses.
pub(super) fn told_of_every_kind() -> Vec<Event> {
    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "203.0.113.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    let story = Story::new().finds("0.0.0.0:80").after(5).overflows(SERVER, CLIENT, 5);
    let story = story.loses_entry(CLIENT, SERVICE, SERVER, removed(900)).opens("[::]:81");
    let story = story.after(5).data_meets_listener(SERVER, CLIENT, 5).aborts(SERVER, CLIENT);
    let story = story.refuses_ack(SERVER, CLIENT, 5);
    let story = story.receives(CLIENT, SERVER, 7, TcpState::Established);
    let story = story.rejects_syn(FilterHook::Input, SERVER, CLIENT);
    let story = story.lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], true);
    let story = story.finds_invalid(CLIENT, SERVICE, SERVER, ConntrackDirection::Reply);
    let story = story.reads_conntrack(1, 9, 100, 1);
    let story = story.closes("[::]:81", None).holds(4711, owner());
    let mut events = story.vanishes(1).events();
    let last = events.last().map_or(Time(0), Event::time);
    events.push(described_of_pod(last));
    events
}

/// Of whom everything is known.
fn owner() -> Owner {
    Owner {
        cgroup: Some(format!("/kubepods/burstable/pod{POD}")),
        exe: Some("/srv/shop/bin/web".into()),
        uid: Some(1001),
        started: Some(Time(1_000_000_000)),
        pod: Some(PodName { namespace: "shop".into(), name: "web-0".into() }),
        container: Some("web".into()),
        ..Owner::named(77, "web")
    }
}

pub(super) fn header(run: &str, number: u32) -> Header {
    let host = HostDescribed { time: Time(1), ..host() };
    let (run, start) = (run.to_owned(), Start::Run);
    Header { schema: super::SCHEMA, run, number, start, events_before: 0, context: 0, host }
}

fn host() -> HostDescribed {
    match Story::new().events().swap_remove(0) {
        Event::HostDescribed(host) => host,
        other => unreachable!("a story begins with the host, not with {other:?}"),
    }
}

/// A new folder, gone with the guard.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tcpwatch-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a new folder can be made");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is in it, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("our folder can be listed");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A run with a refusal every so many milliseconds, and ticks.
pub(super) fn refusals(count: u16, every: u64) -> Vec<Event> {
    let story = (0..count).fold(Story::new().finds("0.0.0.0:22"), |story, n| {
        story.after(every).syn_meets_nobody("10.0.0.1:80", &format!("10.0.0.9:{}", 1 + n))
    });
    let with_tick = |(n, event): (usize, Event)| {
        let tick = (n % 10 == 9).then(|| tick(event.time()));
        std::iter::once(event).chain(tick)
    };
    story.events().into_iter().enumerate().flat_map(with_tick).collect()
}

/// All that the recordings in a folder tell, and how many of them could not be read. That something may be missing
/// behind a cut is the reader's word, not the run's.
pub(super) fn replayed(inputs: &[PathBuf]) -> (Vec<Event>, u64) {
    let mut stream = super::Stream::open(inputs);
    let events = std::iter::from_fn(|| stream.next_told()).filter_map(|told| match told {
        super::Told::Event(_, Event::EventsLost(lost)) if lost.count == 0 => None,
        super::Told::Event(_, event) => Some(event),
        super::Told::Note(_) | super::Told::Ended(_) => None,
    });
    (events.collect(), stream.failed())
}

/// What was said to a person.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub(super) fn text(&self) -> String {
        let heard = self.0.lock().expect("nobody has died speaking").clone();
        String::from_utf8(heard).expect("only text is said")
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody has died speaking").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
