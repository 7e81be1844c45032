//! A segment while it is written: events gather into frames, and frames go to the writer.

use std::io;
use std::time::Duration;

use super::context::Context;
use super::frame::{Frame, Gathering};
use super::gap::Tally;
use super::line::{End, Header};
use super::name;
use super::writer::Writer;
use crate::event::{Event, Time};

/// A segment that is being written.
pub(super) struct Segment {
    gathering: Gathering,
    /// What would be missing without the frame that is being gathered.
    gathered: Tally,
    /// What is missing since the writer did not keep up.
    gap: Option<Tally>,
    begun: Time,
    /// Bytes given to the writer.
    size: u64,
    /// Events given to the writer, without the context.
    events: u64,
    /// Events that the writer had no room for.
    missing: u64,
    name: String,
}

/// What a segment has come to.
pub(super) struct Sums {
    pub(super) events: u64,
    pub(super) missing: u64,
}

impl Segment {
    /// Its header goes out at once, so that whatever was written can be read.
    pub(super) fn begin(
        writer: &Writer,
        compressed: bool,
        now: Time,
        header: &Header,
        context: &[Event],
    ) -> io::Result<Self> {
        let (gathering, gathered) = (Gathering::new(compressed)?, Tally::default());
        let (gap, begun, name) = (None, now, name::of(header));
        let (size, events, missing) = (0, 0, 0);
        writer.begin(name.clone());
        let mut segment = Self { gathering, gathered, gap, begun, size, events, missing, name };
        segment.gathering.add(now, &header.as_line());
        for event in context {
            segment.gathering.add(now, event);
            if segment.gathering.is_due(now) {
                segment.send_gathered(writer)?;
            }
        }
        segment.send_gathered(writer)?;
        Ok(segment)
    }

    /// `context` has seen the event already.
    pub(super) fn event(
        &mut self,
        writer: &Writer,
        now: Time,
        event: &Event,
        context: &Context,
    ) -> io::Result<()> {
        if let Some(gap) = &mut self.gap {
            gap.add(event);
            if writer.keeps_up() {
                self.close_gap(now, context);
            }
            return Ok(());
        }
        self.add(now, event);
        if self.gathering.is_due(now) { self.offer(writer) } else { Ok(()) }
    }

    fn add(&mut self, now: Time, event: &Event) {
        self.gathered.add(event);
        self.gathering.add(now, event);
    }

    /// A frame that was finished elsewhere, and waits in memory already.
    pub(super) fn frame(&mut self, writer: &Writer, frame: Frame) {
        self.events += frame.events;
        self.send(writer, frame);
    }

    /// What the writer has no room for is missing from here on.
    fn offer(&mut self, writer: &Writer) -> io::Result<()> {
        let (bytes, tally) = (self.gathering.finish()?.bytes, std::mem::take(&mut self.gathered));
        let (size, events) = (length(&bytes), tally.events);
        if writer.offer(Frame { bytes, events }) {
            self.size += size;
            self.events += events;
        } else {
            log::warn!("the recording does not keep up: events are missing in it from now on");
            self.gap = Some(tally);
        }
        Ok(())
    }

    /// Says what is missing, and tells again what it has changed.
    fn close_gap(&mut self, now: Time, context: &Context) {
        let Some(gap) = self.gap.take() else { return };
        log::warn!("the recording keeps up again; {} events are missing in it", gap.events);
        self.missing += gap.events;
        let retold = context.retold(now);
        gap.told(now).iter().chain(&retold).for_each(|event| self.add(now, event));
    }

    fn send_gathered(&mut self, writer: &Writer) -> io::Result<()> {
        let bytes = self.gathering.finish()?.bytes;
        let events = std::mem::take(&mut self.gathered).events;
        self.events += events;
        self.send(writer, Frame { bytes, events });
        Ok(())
    }

    fn send(&mut self, writer: &Writer, frame: Frame) {
        self.size += length(&frame.bytes);
        writer.write(frame);
    }

    /// The last line says how many events came before it.
    pub(super) fn end(
        mut self,
        writer: &Writer,
        now: Time,
        context: &Context,
        end: impl FnOnce(u64) -> End,
    ) -> io::Result<Sums> {
        self.close_gap(now, context);
        let events = self.events + self.gathered.events;
        self.gathering.add(now, &end(events).as_line());
        self.send_gathered(writer)?;
        writer.end();
        Ok(Sums { events, missing: self.missing })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes given to the writer.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn age(&self, now: Time) -> Duration {
        now.since(self.begun)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
