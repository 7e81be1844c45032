//! The kinds of lines in a recording.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Event, HostDescribed};

/// One line, whatever it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Header(Box<Header>),
    Event(Box<Event>),
    End(End),
    /// Of a kind or a form that this version does not know; the name of its kind.
    Unknown(String),
    /// Some lines are not here because their part of the file is damaged; how it shows.
    Damaged(String),
}

/// The first line of every segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Header {
    pub schema: u32,
    /// The same in all segments of one run.
    pub run: String,
    /// Place of the segment in its run, from 0.
    pub number: u32,
    /// Why the segment begins here.
    pub start: Start,
    /// Events of this run in the segments before this one.
    pub events_before: u64,
    /// So many lines right below repeat what earlier segments told: coverage, namespaces, listeners, counters. Whoever
    /// has read those skips them.
    pub context: u64,
    /// The machine, and its clocks at the beginning of the segment.
    pub host: HostDescribed,
}

/// Why a segment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With the run.
    Run,
    /// The one before was large or old enough.
    Rotation,
    /// A flight recorder was asked to write what it remembers; by whom or what.
    Trigger(String),
}

/// The last line of a segment. It is missing where the recording was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End {
    /// Events in this segment, without context.
    pub events: u64,
    /// Another segment follows.
    pub continues: bool,
    /// How the whole run ended.
    pub account: Option<Account>,
}

/// What a run concluded, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Account {
    pub explained: u64,
    pub unexplained: u64,
    pub lost: u64,
    /// Processor time of the recording process, nanoseconds; `None`: not measured.
    pub cpu_ns: Option<u64>,
}

impl Account {
    pub fn new(explained: u64, unexplained: u64, lost: u64, cpu: Option<Duration>) -> Self {
        let cpu_ns = cpu.map(|cpu| u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX));
        Self { explained, unexplained, lost, cpu_ns }
    }

    /// Of two runs.
    pub fn plus(self, other: Self) -> Self {
        Self {
            explained: self.explained.saturating_add(other.explained),
            unexplained: self.unexplained.saturating_add(other.unexplained),
            lost: self.lost.saturating_add(other.lost),
            cpu_ns: self.cpu_ns.zip(other.cpu_ns).map(|(one, other)| one.saturating_add(other)),
        }
    }

    pub fn cpu(&self) -> Option<Duration> {
        self.cpu_ns.map(Duration::from_nanos)
    }
}

/// A line of our own, beside the events.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Own<H, E> {
    Segment(H),
    End(E),
}

/// Just enough of a line to know which it is.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) name: std::borrow::Cow<'a, str>,
    /// Lines of our other output bear it, and a header.
    #[serde(default)]
    schema: Option<serde::de::IgnoredAny>,
}

impl Kind<'_> {
    /// It is a line of `tcpwatch -o json`.
    pub(super) fn is_output(&self) -> bool {
        self.schema.is_some()
    }
}

pub(super) const SEGMENT: &str = "segment";
pub(super) const END: &str = "end";

impl Header {
    pub(super) fn as_line(&self) -> impl Serialize {
        Own::<_, ()>::Segment(self)
    }
}

impl End {
    pub(super) fn as_line(&self) -> impl Serialize {
        Own::<(), _>::End(self)
    }
}

/// Adds one line. Our types have string keys only, and a vector takes every byte: nothing can fail.
pub(super) fn append(line: &impl Serialize, lines: &mut Vec<u8>) {
    let from = lines.len();
    match serde_json::to_writer(&mut *lines, line) {
        Ok(()) => lines.push(b'\n'),
        Err(error) => {
            lines.truncate(from);
            log::error!("an event cannot be written as JSON: {error}. Please report this");
        }
    }
}
