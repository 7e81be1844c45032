//! What tcpwatch says of a recording, and what the recording itself says.

use std::path::Path;
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use tcpwatch::event::{Event, HostDescribed, Time};
use tcpwatch::recording::{Stream, Told};

use crate::namespace::Namespace;
use crate::watch::{program, restricted_to};

/// A recording explained again.
pub struct Replay {
    pub stdout: String,
    pub stderr: String,
}

impl Replay {
    /// As JSON, of these namespaces. It must end well.
    pub fn json(recording: &Path, namespaces: &[&Namespace]) -> Self {
        Self::of(recording, namespaces, &["-o", "json"])
    }

    /// In blocks.
    pub fn explained(recording: &Path, namespaces: &[&Namespace]) -> Self {
        Self::of(recording, namespaces, &["--explain"])
    }

    fn of(recording: &Path, namespaces: &[&Namespace], options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("replay").arg(recording).args(options);
        restricted_to(namespaces, &mut command);
        let Output { status, stdout, stderr } = command.output().expect("tcpwatch can be started");
        let [stdout, stderr] =
            [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(
            status.success(),
            "replay of {} ended with {status}:\n{stderr}",
            recording.display()
        );
        Self { stdout, stderr }
    }
}

/// When the last tick of a recording was told.
pub fn last_tick(recording: &Path) -> Timestamp {
    let mut stream = Stream::open(&[recording.to_owned()]);
    let (mut host, mut last) = (None, Time::default());
    while let Some(told) = stream.next_told() {
        match told {
            Told::Event(_, Event::HostDescribed(described)) => host = Some(described),
            Told::Event(_, Event::Tick { time }) => last = time,
            _ => {}
        }
    }
    on_the_wall(&host.expect("a recording begins with its host"), last)
}

fn on_the_wall(host: &HostDescribed, time: Time) -> Timestamp {
    let begun = Timestamp::from_nanosecond(host.wall.into()).expect("a wall clock of our days");
    let passed = SignedDuration::try_from(time.since(host.time)).expect("a run is short");
    begun + passed
}
