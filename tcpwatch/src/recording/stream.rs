//! Segments put in order, and read as the streams of events they are parts of.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::line::{Account, End, Header, Line};
use super::reader::{Damage, Reader};
use super::{EXTENSION, PART};
use crate::event::{Event, EventsLost, Fact, LossStage, Time};

/// What recordings have to tell, one thing at a time.
pub struct Stream {
    segments: VecDeque<Found>,
    open: Option<Open>,
    /// The run and the place of the segment that was read to its end and is to be continued.
    continues: Option<(String, u32)>,
    accounts: Vec<Account>,
    /// Runs whose end was not seen.
    unended: u64,
    /// How many of the inputs could not be read as far as they go.
    failed: u64,
    waiting: VecDeque<Told>,
}

/// One thing a recording tells.
#[derive(Debug)]
pub enum Told {
    Event(Event),
    /// About the recording itself: one sentence for a person.
    Note(String),
}

/// A file that begins like a recording.
struct Found {
    name: Name,
    header: Header,
    /// Kept where it cannot be opened again.
    reader: Option<Reader>,
}

/// A file name, or stdin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Stdin,
    File(PathBuf),
}

/// The segment that is being read.
struct Open {
    name: Name,
    reader: Reader,
    header: Option<Header>,
    /// Lines of context that are known already.
    skip: u64,
    /// Lines of context still to come.
    context: u64,
    events: u64,
    ended: bool,
    now: Time,
}

impl Stream {
    /// Files, directories of them, and `-` for stdin.
    pub fn open(inputs: &[PathBuf]) -> Self {
        let mut stream = Self {
            segments: VecDeque::new(),
            open: None,
            continues: None,
            accounts: Vec::new(),
            unended: 0,
            failed: 0,
            waiting: VecDeque::new(),
        };
        let names: Vec<_> = inputs.iter().flat_map(|input| stream.names(input)).collect();
        let found = names.into_iter().filter_map(|name| stream.look_at(name)).collect();
        stream.segments = in_order(found).into();
        stream
    }

    /// The next event or note; `None` when everything has been read.
    pub fn next_told(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            if self.open.is_none() && !self.open_next() {
                return None;
            }
            self.read_line();
        }
    }

    /// The sum of what the runs said of themselves; `None` unless all of them ended with an account.
    pub fn account(&self) -> Option<Account> {
        let accounts = self.accounts.iter().copied();
        accounts.reduce(Account::plus).filter(|_| self.unended == 0)
    }

    /// How many inputs could not be read as far as they go.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    fn names(&mut self, input: &Path) -> Vec<Name> {
        if input == Path::new("-") {
            return vec![Name::Stdin];
        }
        if !input.is_dir() {
            return vec![Name::File(input.to_owned())];
        }
        match recordings_in(input) {
            Ok(names) if names.is_empty() => {
                self.fail(
                    input.display(),
                    &format!("holds no recording (a file ending in {EXTENSION})"),
                );
                names
            }
            Ok(names) => names,
            Err(error) => {
                self.fail(input.display(), &format!("cannot be listed: {error}"));
                Vec::new()
            }
        }
    }

    fn look_at(&mut self, name: Name) -> Option<Found> {
        match first_line(&name) {
            Ok((header, reader)) => {
                let reader = (name == Name::Stdin).then_some(reader);
                Some(Found { name, header, reader })
            }
            Err(damage) => {
                self.fail(&name, &damage.to_string());
                None
            }
        }
    }

    fn open_next(&mut self) -> bool {
        let Some(found) = self.segments.pop_front() else { return false };
        let reader = match found.reader {
            Some(reader) => Ok((found.header, reader)),
            None => first_line(&found.name),
        };
        match reader {
            Ok((header, reader)) => {
                let (name, now) = (found.name, header.host.time);
                let (skip, context, events, ended) = (0, 0, 0, true);
                self.open =
                    Some(Open { name, reader, header: None, skip, context, events, ended, now });
                self.begin(header);
            }
            Err(damage) => self.fail(&found.name, &damage.to_string()),
        }
        true
    }

    /// A segment either goes on where the last one ended, or begins a stream of its own.
    fn begin(&mut self, header: Header) {
        let goes_on = self
            .continues
            .take()
            .is_some_and(|(run, number)| run == header.run && number + 1 == header.number);
        let Some(open) = &mut self.open else { return };
        open.context = header.context;
        open.skip = if goes_on { header.context } else { 0 };
        (open.events, open.ended) = (0, false);
        open.now = header.host.time;
        if !goes_on {
            self.unended += 1;
            if header.events_before > 0 {
                self.waiting.push_back(Told::Note(format!(
                    "{}: begins in the middle of its run; {} events before it are not here",
                    open.name, header.events_before
                )));
            }
            self.waiting.push_back(Told::Event(Event::HostDescribed(header.host.clone())));
        }
        open.header = Some(header);
    }

    fn read_line(&mut self) {
        let Some(open) = &mut self.open else { return };
        match open.reader.next_line() {
            Ok(Some(Line::Header(header))) => {
                self.cut_off();
                self.begin(*header);
            }
            Ok(Some(Line::Event(event))) => self.event(*event),
            Ok(Some(Line::Unknown(kind))) => self.unknown(&kind),
            Ok(Some(Line::End(end))) => self.end(&end),
            Ok(None) => {
                self.cut_off();
                self.open = None;
            }
            Err(damage) => self.damaged(&damage),
        }
    }

    fn event(&mut self, event: Event) {
        let Some(open) = &mut self.open else { return };
        open.now = open.now.max(event.time());
        if !open.is_known() {
            self.waiting.push_back(Told::Event(event));
        }
    }

    /// What cannot be understood was not seen: the engine is told so, where it would have mattered.
    fn unknown(&mut self, kind: &str) {
        let Some(open) = &mut self.open else { return };
        if open.is_known() {
            return;
        }
        let (since, until) = (open.now, open.now);
        let (count, stage) = (1, LossStage::Malformed);
        match fact_named(kind) {
            Some(fact) => self.waiting.push_back(Told::Event(Event::EventsLost(EventsLost {
                since,
                until,
                fact,
                count,
                stage,
            }))),
            None => log::warn!("{}: this version does not know events of kind {kind:?}", open.name),
        }
    }

    fn end(&mut self, end: &End) {
        let Some(open) = &mut self.open else { return };
        let Some(header) = &open.header else { return };
        open.ended = true;
        if open.events != end.events {
            let (told, read) = (end.events, open.events);
            let note = format!("{}: {told} events were recorded, {read} are here", open.name);
            self.waiting.push_back(Told::Note(note));
        }
        if end.continues {
            self.continues = Some((header.run.clone(), header.number));
        } else if let Some(account) = end.account {
            self.unended -= 1;
            self.accounts.push(account);
        }
    }

    /// Cut between two frames: nothing that is there is incomplete, but the end is missing.
    fn cut_off(&mut self) {
        if let Some(open) = &self.open
            && !open.ended
        {
            let note = format!("{}: {}", open.name, Damage::Torn);
            self.waiting.push_back(Told::Note(note));
        }
    }

    fn damaged(&mut self, damage: &Damage) {
        let Some(open) = self.open.take() else { return };
        match damage {
            Damage::Torn => {
                self.waiting.push_back(Told::Note(format!("{}: {damage}", open.name)));
            }
            _ => self.fail(&open.name, &damage.to_string()),
        }
    }

    fn fail(&mut self, name: impl fmt::Display, why: &str) {
        self.failed += 1;
        self.waiting.push_back(Told::Note(format!("{name}: {why}")));
    }
}

impl Open {
    /// Counts a line, and says whether it repeats what was read before.
    fn is_known(&mut self) -> bool {
        if self.context > 0 {
            self.context -= 1;
        } else {
            self.events += 1;
        }
        let known = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        known
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn first_line(name: &Name) -> Result<(Header, Reader), Damage> {
    let mut reader = match name {
        Name::Stdin => Reader::new(io::stdin())?,
        Name::File(path) => Reader::new(File::open(path).map_err(Damage::Io)?)?,
    };
    match reader.next_line()? {
        Some(Line::Header(header)) => Ok((*header, reader)),
        _ => Err(Damage::NotARecording),
    }
}

/// Finished segments, and those whose writer may still be at work or has died.
fn recordings_in(directory: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.strip_suffix(PART).unwrap_or(&name).ends_with(EXTENSION) {
            names.push(Name::File(path));
        }
    }
    names.sort();
    Ok(names)
}

/// Runs by the time they began, each in the order of its segments. A segment that is there twice is read once.
fn in_order(mut found: Vec<Found>) -> Vec<Found> {
    let mut began: BTreeMap<String, u64> = BTreeMap::new();
    for Found { header, .. } in &found {
        let first = began.entry(header.run.clone()).or_insert(header.host.wall);
        *first = (*first).min(header.host.wall);
    }
    found.sort_by_cached_key(|found| {
        let Header { run, number, .. } = &found.header;
        (began.get(run).copied(), run.clone(), *number, found.name.clone())
    });
    found.dedup_by(|b, a| a.header.run == b.header.run && a.header.number == b.header.number);
    found
}

/// Which fact the lines of this name tell.
fn fact_named(kind: &str) -> Option<Fact> {
    match kind {
        "rst_sent" => Some(Fact::RstSent),
        "connection_aborted" => Some(Fact::ConnectionAborted),
        "rst_received" => Some(Fact::RstReceived),
        "accept_queue_overflowed" => Some(Fact::AcceptQueueOverflowed),
        "handshake_ack_refused" => Some(Fact::HandshakeAckRefused),
        "listener_found" | "listener_opened" | "listener_closed" => Some(Fact::Listeners),
        "conntrack_destroyed" => Some(Fact::ConntrackDestroyed),
        _ => None,
    }
}
