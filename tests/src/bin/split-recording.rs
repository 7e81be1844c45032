//! Makes of one real recording what several hosts would have recorded: each host gets the namespaces it is given, a
//! name, a boot of its own and clocks of its own. So a reset that crossed two namespaces crosses two hosts.
//!
//! `split-recording RECORDING DIRECTORY HOST=NETNS[,NETNS…][@AHEAD_MS] …`
//!
//! Namespaces are given by name; those that nobody gets are left out, with all that happened in them. `AHEAD_MS` is how
//! far the wall clock of a host goes ahead of the truth; may be negative. What would tell of the machine the recording
//! was made on (names of control groups) is left out. The recordings under `tests/recordings` were made by it; how, is
//! told beside them.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use tcpwatch::event::{Event, HostDescribed};
use tcpwatch::recording::{Account, Floor, Place, Recorder, Stream, Told};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [recording, directory, hosts @ ..] = arguments.as_slice() else {
        bail!("give a recording, a directory, and hosts as NAME=NETNS,NETNS@AHEAD_MS");
    };
    let events = events(Path::new(recording))?;
    let names = names(&events);
    for (index, host) in hosts.iter().enumerate() {
        let host = Host::parse(host, index).with_context(|| format!("{host} is no host"))?;
        let to = Path::new(directory).join(format!("{}.tcpw.jsonl.zst", host.name));
        host.write(&events, &names, &to)?;
    }
    Ok(())
}

/// A host to be made.
struct Host {
    name: String,
    namespaces: Vec<String>,
    /// How far its wall clock goes ahead, milliseconds.
    ahead: i64,
    boot_id: String,
    /// It has been up for so much longer than the real one, seconds.
    older: u64,
}

impl Host {
    fn parse(text: &str, index: usize) -> Option<Self> {
        let (text, ahead) = text.split_once('@').unwrap_or((text, "0"));
        let (name, namespaces) = text.split_once('=')?;
        Some(Self {
            name: name.to_owned(),
            namespaces: namespaces.split(',').map(str::to_owned).collect(),
            ahead: ahead.parse().ok()?,
            boot_id: format!("{:08x}-0000-4000-8000-000000000000", 0x5eed_0001 + index),
            older: 86_400 * (u64::try_from(index).ok()? + 1),
        })
    }

    fn write(
        &self,
        events: &[Event],
        names: &BTreeMap<u64, String>,
        to: &Path,
    ) -> anyhow::Result<()> {
        let mut recorder = Recorder::patient(Place::file(to, Floor::Percent(0))?)?;
        for event in events {
            let mut value = serde_json::to_value(event)?;
            let netns = value["netns"].as_u64();
            let ours = |netns| names.get(&netns).is_some_and(|name| self.namespaces.contains(name));
            if netns.is_some_and(|netns| !ours(netns)) {
                continue;
            }
            self.disguise(&mut value);
            recorder.record(&self.renamed(serde_json::from_value(value)?));
        }
        recorder.finish(Some(Account::default()))
    }

    /// Other clocks, and nothing of the machine.
    fn disguise(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match (name.as_str(), &field) {
                        ("wall", _) => {}
                        ("cgroup", Value::String(_)) => *field = Value::Null,
                        _ => self.disguise(field),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.disguise(item)),
            Value::String(text) => {
                if let Some(seconds) = seconds(text) {
                    *text = format!("{}{}", seconds + self.older, &text[text.len() - 10..]);
                }
            }
            _ => {}
        }
    }

    fn renamed(&self, event: Event) -> Event {
        let Event::HostDescribed(host) = event else { return event };
        let ahead = self.ahead * 1_000_000;
        Event::HostDescribed(HostDescribed {
            wall: host.wall.saturating_add_signed(ahead),
            hostname: self.name.clone(),
            boot_id: self.boot_id.clone(),
            ..host
        })
    }
}

/// Whole seconds of a time: digits, a point, and nine digits more.
fn seconds(text: &str) -> Option<u64> {
    let (seconds, nanos) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (nanos.len() == 9 && digits(nanos)).then(|| seconds.parse().ok())?
}

fn events(recording: &Path) -> anyhow::Result<Vec<Event>> {
    let mut stream = Stream::open(&[PathBuf::from(recording)]);
    let mut events = Vec::new();
    while let Some(told) = stream.next_told() {
        match told {
            Told::Event(_, event) => events.push(event),
            Told::Ended(_) => {}
            Told::Note(note) => bail!("{note}"),
        }
    }
    Ok(events)
}

/// Namespaces by inode.
fn names(events: &[Event]) -> BTreeMap<u64, String> {
    let described = events.iter().filter_map(|event| match event {
        Event::NamespaceDescribed(told) => Some((u64::from(told.netns.0), told.name.clone()?)),
        _ => None,
    });
    described.collect()
}
