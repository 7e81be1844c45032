//! The tap: every event of a run goes into its recording, in the order it was told.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::SCHEMA;
use super::anonymize::Anonymizer;
use super::context::{Context, carried_on};
use super::limits::Rotation;
use super::line::{Account, End, Header, Start};
use super::place::Place;
use super::ring::{Contents, Ring};
use super::segment::Segment;
use super::trigger::{Trigger, Triggers};
use super::writer::Writer;
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
        let Place { target, rotation, compressed } = place;
        let writer = Writer::start(target, patient);
        let writer = Some(writer.context("cannot start the thread that writes the recording")?);
        let (context, run, segment) = (Context::default(), None, None);
        let (flight, anonymizer, failed) = (None, None, None);
        Ok(Self { writer, rotation, compressed, context, run, segment, flight, anonymizer, failed })
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
            self.trigger(reason);
        }
    }

    /// Writes what is remembered, and what comes for a while. Nothing happens unless this is a flight recorder.
    pub fn trigger(&mut self, reason: String) {
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
            self.end_if_due(now)?;
        }
        let reason = self.flight.as_mut().and_then(|flight| flight.triggers.on_event(event));
        reason.map_or(Ok(()), |reason| self.try_trigger(reason))
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

    fn try_trigger(&mut self, reason: String) -> anyhow::Result<()> {
        let (Some(flight), Some(run)) = (&mut self.flight, &mut self.run) else { return Ok(()) };
        flight.until = run.now.plus(flight.after);
        if self.segment.is_some() {
            return Ok(());
        }
        log::info!("writing the last {} s, and the next: {reason}", flight.ring.span().as_secs());
        let Contents { since, context, frames, events_before } = flight.ring.take(run.now)?;
        run.events = events_before;
        let since = since.unwrap_or(run.now);
        self.begin_segment(Start::Trigger(reason), since, &context)?;
        if let (Some(segment), Some(writer)) = (&mut self.segment, &self.writer) {
            frames.into_iter().for_each(|frame| segment.frame(writer, frame));
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
        let written = self.writer.take().map_or(Ok(()), Writer::finish);
        let Err(error) = written.and(done) else { return };
        self.failed = Some(if is_broken_pipe(&error) { error } else { tell(&error) });
    }

    /// Closes the recording, and waits until it is written. An error that stopped it earlier is told here again, for
    /// the exit code. There is no account when a run is copied whose own end is not known.
    pub fn finish(mut self, account: Option<Account>) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let ended = self.end_run(account);
        let written = self.writer.take().map_or(Ok(()), Writer::finish);
        written
            .and(ended)
            .context("the end of the recording cannot be written. What came before it can be read")
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
        run.events += segment.end(writer, run.now, context, end)?;
        Ok(())
    }
}

/// One sentence now, and another one for the end.
fn tell(error: &anyhow::Error) -> anyhow::Error {
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
    }
}
