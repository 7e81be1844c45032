//! The tap: every event of a run goes into its recording, in the order it was told.

use anyhow::Context as _;

use super::SCHEMA;
use super::context::{Context, carried_on};
use super::line::{Account, End, Header, Start};
use super::place::Place;
use super::segment::Segment;
use crate::event::{Event, HostDescribed, Time};

/// Writes the recording of a run. It never stands in the way of the run: when it cannot go on, it says so once and
/// stops.
pub struct Recorder {
    place: Place,
    context: Context,
    run: Option<Run>,
    segment: Option<Segment>,
    failed: Option<anyhow::Error>,
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
        Self { place, context: Context::default(), run: None, segment: None, failed: None }
    }

    /// Takes the next event of the run; the first must describe the host.
    pub fn record(&mut self, event: &Event) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.try_record(event) {
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
        if self.segment.is_none() {
            self.begin_segment(Start::Rotation)?;
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.event(now, event)?;
        self.context.observe(event);
        if let Event::Tick { .. } = event {
            segment.write_if_due(now)?;
            self.rotate_if_due(now)?;
        }
        Ok(())
    }

    fn begin_run(&mut self, host: &HostDescribed) -> anyhow::Result<()> {
        let id = format!("{}@{}", host.boot_id, host.time);
        let (host, now) = (host.clone(), host.time);
        self.run = Some(Run { id, host, number: 0, events: 0, now });
        self.begin_segment(Start::Run)
    }

    fn begin_segment(&mut self, start: Start) -> anyhow::Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let host = carried_on(&run.host, run.now);
        let context = self.context.retold(run.now);
        let header = Header {
            schema: SCHEMA,
            run: run.id.clone(),
            number: run.number,
            start,
            events_before: run.events,
            context: u64::try_from(context.len())?,
            host,
        };
        let opened = self.place.open(&header)?;
        run.number += 1;
        self.segment = Some(Segment::begin(opened, run.now, &header, &context)?);
        Ok(())
    }

    /// The next segment begins with the next event.
    fn rotate_if_due(&mut self, now: Time) -> anyhow::Result<()> {
        let due = |segment: &mut Segment| self.place.is_full(segment.size(), segment.age(now));
        let Some(segment) = self.segment.take_if(due) else { return Ok(()) };
        let events = segment.events();
        segment.end(&End { events, continues: true, account: None })?;
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

    /// Closes the recording. An error that stopped it earlier is told here again, for the exit code.
    pub fn finish(mut self, account: Account) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.segment.is_none() {
            self.begin_segment(Start::Rotation)?;
        }
        self.end(Some(account))
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
