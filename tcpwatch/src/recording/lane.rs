//! All recordings of one host, read one after the other as the streams of events they are parts of.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::inputs::{self, Found, Host, Name, boot};
use super::line::{Account, End, Header, Line};
use super::pace::Pace;
use super::reader::{Damage, Reader};
use crate::event::{Event, EventsLost, Fact, HostDescribed, LossStage, Time};

/// The recordings of one host.
pub(super) struct Lane {
    name: String,
    /// Of this host; a file may hold recordings of others too.
    boots: BTreeSet<String>,
    segments: VecDeque<Found>,
    open: Option<Open>,
    /// The stretch that is being told: segments without a gap between them.
    stretch: Option<Stretch>,
    read: Rc<RefCell<Read>>,
    /// How far this host's recordings were told, by its wall clock, in nanoseconds since 1970.
    wall: i128,
    pace: Pace,
    pub(super) accounts: Accounts,
    /// How many inputs could not be read as far as they go.
    pub(super) failed: u64,
    /// Kinds of events that this version does not know and has spoken of.
    unknown: BTreeSet<String>,
    waiting: VecDeque<Said>,
}

/// Runs and numbers of the segments that were read, in any lane.
pub(super) type Read = BTreeSet<(String, u32)>;

/// One thing a recording tells.
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
pub(super) enum Said {
    Event(Event),
    /// About the recording itself: one sentence for a person.
    Note(String),
}

/// What the runs said of themselves.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) told: Vec<Account>,
    /// Runs whose end was not seen.
    pub(super) unended: u64,
}

/// Segments of one run that follow each other.
struct Stretch {
    run: String,
    /// The segment that would go on, and how many events come before it.
    next: Option<(u32, u64)>,
    /// Wall clock minus boot clock.
    offset: i128,
    now: Time,
    gap: Option<Gap>,
}

/// A damaged part; what was in it may have happened until the second tick after it, for that came with all that had
/// happened before.
struct Gap {
    since: Time,
    ticks: u8,
}

/// The segment that is being read.
struct Open {
    name: Name,
    reader: Reader,
    header: Header,
    /// Lines of context still to come.
    context: u64,
    /// Lines of context that are known already.
    skip: u64,
    /// All of it was read elsewhere.
    again: bool,
    events: u64,
    ended: bool,
    failed: bool,
}

impl Lane {
    pub(super) fn new(host: Host, read: Rc<RefCell<Read>>) -> Self {
        let wall = host.began();
        let boots = host.found.iter().map(|found| boot(&found.header.host).to_owned()).collect();
        Self {
            name: host.name,
            boots,
            segments: host.found.into(),
            open: None,
            stretch: None,
            read,
            wall,
            pace: Pace::default(),
            accounts: Accounts::default(),
            failed: 0,
            unknown: BTreeSet::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Is this the host of this lane?
    pub(super) fn is_of(&self, host: &HostDescribed) -> bool {
        self.boots.contains(boot(host))
    }

    /// How far it was told, by its wall clock.
    pub(super) fn wall(&self) -> i128 {
        self.wall
    }

    /// The wall clock at the end of the last recording, before anything is told. `None`: it can be read only once.
    pub(super) fn end(&self) -> Option<i128> {
        inputs::end(self.segments.as_slices().0)
    }

    /// The next event or note; `None` when everything has been read.
    pub(super) fn next_said(&mut self) -> Option<Said> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            match &mut self.open {
                Some(_) => self.read_line(),
                None => self.open_next()?,
            }
        }
    }

    fn open_next(&mut self) -> Option<()> {
        let Some(found) = self.segments.pop_front() else {
            return self.stretch.take().map(|stretch| self.cut(&stretch));
        };
        match found.open() {
            Ok((name, header, reader)) => self.begin(name, header, reader),
            Err((name, damage)) => self.fail(&name, &damage),
        }
        Some(())
    }

    /// A segment either goes on where the last one ended, or begins a stretch of its own.
    fn begin(&mut self, name: Name, header: Header, reader: Reader) {
        let again = !self.read.borrow_mut().insert((header.run.clone(), header.number));
        let goes_on = self.stretch.as_ref().is_some_and(|stretch| stretch.reaches(&header));
        if !again && !goes_on {
            self.begin_stretch(&name, &header);
        }
        let (context, events, ended, failed) = (header.context, 0, false, false);
        let skip = if goes_on { context } else { 0 };
        self.open =
            Some(Open { name, reader, header, context, skip, again, events, ended, failed });
    }

    fn begin_stretch(&mut self, name: &Name, header: &Header) {
        if let Some(stretch) = self.stretch.take() {
            self.cut(&stretch);
        }
        self.accounts.unended += 1;
        let before = header.events_before;
        if before > 0 {
            self.note(format!(
                "{name}: begins in the middle of its run; {before} events before it are not here"
            ));
        }
        let mut host = header.host.clone();
        if self.is_of(&host) {
            host.hostname.clone_from(&self.name);
        } else {
            self.note(format!(
                "{name}: holds recordings of other hosts as well, which are told one after the other. Give them as files of their own to have them merged"
            ));
        }
        self.stretch = Some(Stretch::new(header));
        self.pace = Pace::from(header.host.time);
        self.event(Event::HostDescribed(host));
    }

    /// What came after the last event of a stretch was not seen.
    fn cut(&mut self, stretch: &Stretch) {
        self.lose(stretch.now, stretch.now, 0);
    }

    fn read_line(&mut self) {
        let Some(open) = &mut self.open else { return };
        match open.reader.next_line() {
            Ok(Some(Line::Header(header))) => self.next_header(*header),
            Ok(Some(Line::Event(event))) => self.read_event(*event),
            Ok(Some(Line::Unknown(kind))) => self.read_unknown(&kind),
            Ok(Some(Line::Damaged(why))) => self.read_damage(&why),
            Ok(Some(Line::End(end))) => self.read_end(&end),
            Ok(None) => self.end_of_file(None),
            Err(damage) => self.end_of_file(Some(&damage)),
        }
    }

    /// Files that were put one behind the other.
    fn next_header(&mut self, header: Header) {
        let Some(open) = self.open.take() else { return };
        if !open.ended && !open.again {
            self.note(open.torn());
        }
        self.begin(open.name, header, open.reader);
    }

    fn read_event(&mut self, event: Event) {
        let Some(open) = &mut self.open else { return };
        if open.is_known() {
            return;
        }
        let tick = matches!(event, Event::Tick { .. });
        let now = self.stretch.as_mut().map(|stretch| stretch.come_to(event.time()));
        self.event(event);
        if let Some(now) = now.filter(|_| tick) {
            self.read_tick(now);
        }
    }

    fn read_tick(&mut self, now: Time) {
        let Some(gap) = self.stretch.as_mut().and_then(|stretch| stretch.gap.as_mut()) else {
            return;
        };
        gap.ticks += 1;
        let (since, over) = (gap.since, gap.ticks > 1);
        if let Some(stretch) = self.stretch.as_mut().filter(|_| over) {
            stretch.gap = None;
        }
        self.lose(since, now, 0);
    }

    /// What cannot be understood was not seen: the engine is told so, where it would have mattered.
    fn read_unknown(&mut self, kind: &str) {
        let (Some(open), Some(stretch)) = (&mut self.open, &self.stretch) else { return };
        if open.is_known() {
            return;
        }
        let (since, until) = (stretch.now, stretch.now);
        let (count, stage) = (1, LossStage::Malformed);
        if let Some(fact) = fact_named(kind) {
            let lost = EventsLost { since, until, fact, count, stage };
            self.event(Event::EventsLost(lost));
        } else if self.unknown.len() < KINDS && self.unknown.insert(kind.to_owned()) {
            let name = &open.name;
            let note = format!("{name}: this version does not know events of kind {kind:?}");
            self.note(note);
        }
    }

    /// Anything may have been in the lines that are gone, also what remains of the context.
    fn read_damage(&mut self, why: &str) {
        let (Some(open), Some(stretch)) = (&mut self.open, &mut self.stretch) else { return };
        (open.context, open.skip) = (0, 0);
        if open.again || stretch.gap.replace(Gap { since: stretch.now, ticks: 0 }).is_some() {
            return;
        }
        let now = stretch.now;
        let note = format!("{}: is damaged: {why}; that part was left out", open.name);
        self.failed += u64::from(!std::mem::replace(&mut open.failed, true));
        self.note(note);
        self.lose(now, now, 1);
    }

    fn read_end(&mut self, end: &End) {
        let (Some(open), Some(stretch)) = (&mut self.open, &mut self.stretch) else { return };
        let (told, read) = (end.events, open.events);
        open.ended = true;
        if open.again {
            return;
        }
        let note = format!("{}: {told} events were recorded, {read} are here", open.name);
        if end.continues {
            let events = open.header.events_before.saturating_add(end.events);
            stretch.next = Some((open.header.number.saturating_add(1), events));
        } else if let Some(account) = end.account {
            self.stretch = None;
            self.accounts.unended -= 1;
            self.accounts.told.push(account);
        }
        if told != read {
            self.note(note);
        }
    }

    fn end_of_file(&mut self, damage: Option<&Damage>) {
        let Some(open) = self.open.take() else { return };
        match damage {
            None | Some(Damage::Torn) if open.ended || open.again => {}
            None | Some(Damage::Torn) => self.note(open.torn()),
            Some(damage) => self.fail(&open.name, damage),
        }
    }

    fn event(&mut self, event: Event) {
        let length = self.open.as_ref().map_or(0, |open| open.reader.line_len());
        let forced = self.pace.take(&event, length);
        self.waiting.push_back(Said::Event(event));
        if let Some(time) = forced {
            self.waiting.push_back(Said::Event(Event::Tick { time }));
        }
        if let Some(stretch) = &mut self.stretch {
            let now = stretch.come_to(forced.unwrap_or_default());
            self.wall = self.wall.max(stretch.offset + i128::from(now.0));
        }
    }

    /// `count` events of any kind, as far as is known.
    fn lose(&mut self, since: Time, until: Time, count: u64) {
        let stage = LossStage::Recording;
        for fact in Fact::ALL {
            self.event(Event::EventsLost(EventsLost { since, until, fact, count, stage }));
        }
    }

    fn note(&mut self, note: String) {
        self.waiting.push_back(Said::Note(note));
    }

    fn fail(&mut self, name: &Name, why: &Damage) {
        self.failed += 1;
        self.note(format!("{name}: {why}"));
    }
}

impl Stretch {
    fn new(header: &Header) -> Self {
        Self {
            run: header.run.clone(),
            next: None,
            offset: header.host.wall_offset(),
            now: header.host.time,
            gap: None,
        }
    }

    fn reaches(&self, header: &Header) -> bool {
        self.run == header.run && self.next == Some((header.number, header.events_before))
    }

    fn come_to(&mut self, time: Time) -> Time {
        self.now = self.now.max(time);
        self.now
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
        let known = self.again || self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        known
    }

    fn torn(&self) -> String {
        let how = if self.name.is_part() {
            "was not finished: it is still being written, or its writer died"
        } else {
            "ends in the middle"
        };
        format!("{}: {how}; everything up to there was read", self.name)
    }
}

/// Which fact the lines of this name tell: most facts bear the name of their event.
fn fact_named(kind: &str) -> Option<Fact> {
    match kind {
        "handshake_ack_refused" => Some(Fact::HandshakeAckRefused),
        "listener_found" | "listener_opened" | "listener_closed" => Some(Fact::Listeners),
        _ => Fact::deserialize(IntoDeserializer::<Error>::into_deserializer(kind)).ok(),
    }
}

/// Unknown kinds of events that are spoken of.
const KINDS: usize = 32;
