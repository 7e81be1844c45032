//! The tap: every event of a run goes into its recording, in the order it was told.

use std::time::Duration;

use anyhow::Context as _;

use super::SCHEMA;
use super::anonymize::Anonymizer;
use super::context::{Context, carried_on};
use super::line::{Account, End, Header, Start};
use super::place::Place;
use super::ring::{Contents, Ring};
use super::segment::Segment;
use super::trigger::{Trigger, Triggers};
use crate::event::{Event, HostDescribed, Time};

/// Writes the recording of a run. It never stands in the way of the run: when it cannot go on, it says so once and
/// stops.
pub struct Recorder {
    place: Place,
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
    pub fn new(place: Place) -> Self {
        let (context, run, segment) = (Context::default(), None, None);
        let (flight, anonymizer, failed) = (None, None, None);
        Self { place, context, run, segment, flight, anonymizer, failed }
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
        let mut recorder = Self::new(place);
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

    fn attempt(&mut self, what: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = what(self) {
            self.stop(error);
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
            Some(flight) => {
                flight.ring.passed_by(event);
                self.write(now, event)?;
            }
            None => self.write(now, event)?,
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
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.event(now, event)?;
        self.context.observe(event);
        Ok(())
    }

    /// A flight recorder waits for a reason to begin its first segment.
    fn begin_run(&mut self, host: &HostDescribed) -> anyhow::Result<()> {
        self.end(None)?;
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
        let opened = self.place.open(&header)?;
        run.number += 1;
        self.segment = Some(Segment::begin(opened, at, &header, context)?);
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
        let Some(segment) = &mut self.segment else { return Ok(()) };
        frames.iter().try_for_each(|frame| segment.frame(frame)).map_err(anyhow::Error::from)
    }

    /// Segments of a directory end when they are full, those of a flight recorder some time after the reason.
    fn end_if_due(&mut self, now: Time) -> anyhow::Result<()> {
        let continues = match &self.flight {
            Some(flight) if now >= flight.until => false,
            Some(_) => return Ok(()),
            None => true,
        };
        let due = |segment: &mut Segment| {
            !continues || self.place.is_full(segment.size(), segment.age(now))
        };
        let Some(segment) = self.segment.take_if(due) else { return Ok(()) };
        let events = segment.events();
        segment.end(&End { events, continues, account: None })?;
        if let Some(run) = &mut self.run {
            run.events += events;
        }
        Ok(())
    }

    /// Says why, once. What was written stays, and can be read.
    fn stop(&mut self, error: anyhow::Error) {
        let error = error.context("recording has stopped; what was recorded until now can be read");
        log::error!("{error:#}");
        if let Some(Err(error)) = self.segment.take().map(Segment::abandon) {
            log::error!("the last segment keeps its temporary name: {error}");
        }
        self.failed = Some(error);
    }

    /// Closes the recording. An error that stopped it earlier is told here again, for the exit code. There is no
    /// account when a run is copied whose own end is not known.
    pub fn finish(mut self, account: Option<Account>) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (now, flies) = (self.run.as_ref().map(|run| run.now), self.flight.is_some());
        if let Some(now) = now
            && self.segment.is_none()
            && !flies
        {
            self.begin_segment(Start::Rotation, now, &self.context.retold(now))?;
        }
        self.end(account.filter(|_| !flies))
            .context("the end of the recording cannot be written. What came before it can be read")
    }

    fn end(&mut self, account: Option<Account>) -> std::io::Result<()> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let events = segment.events();
        segment.end(&End { events, continues: false, account })
    }
}

/// A run that fails leaves a whole recording all the same, but no account.
impl Drop for Recorder {
    fn drop(&mut self) {
        if let Err(error) = self.end(None) {
            log::error!("the end of the recording cannot be written: {error}");
        }
    }
}
