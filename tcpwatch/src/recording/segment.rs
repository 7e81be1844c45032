//! One file of a recording while it is written: frame after frame, each by one write.

use std::io::{self, Write};
use std::time::Duration;

use super::frame::{Frame, Gathering};
use super::line::{End, Header};
use super::place::Opened;
use crate::event::{Event, Time};

/// A segment that is being written.
pub(super) struct Segment {
    to: Opened,
    gathering: Gathering,
    begun: Time,
    /// Bytes on disk.
    size: u64,
    /// Without the context.
    events: u64,
}

impl Segment {
    pub(super) fn begin(
        to: Opened,
        now: Time,
        header: &Header,
        context: &[Event],
    ) -> io::Result<Self> {
        let gathering = Gathering::new(to.is_compressed())?;
        let mut segment = Self { to, gathering, begun: now, size: 0, events: 0 };
        segment.gathering.add(now, &header.as_line());
        for event in context {
            segment.gathering.add(now, event);
            segment.write_if_due(now)?;
        }
        Ok(segment)
    }

    pub(super) fn event(&mut self, now: Time, event: &Event) -> io::Result<()> {
        self.events += 1;
        self.gathering.add(now, event);
        self.write_if_due(now)
    }

    /// A frame that was finished elsewhere.
    pub(super) fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        self.write_gathered()?;
        self.events += frame.events;
        self.size += self.to.write(&frame.bytes)?;
        Ok(())
    }

    fn write_if_due(&mut self, now: Time) -> io::Result<()> {
        if self.gathering.is_due(now) { self.write_gathered() } else { Ok(()) }
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        let frame = self.gathering.finish()?;
        if !frame.bytes.is_empty() {
            self.size += self.to.write(&frame.bytes)?;
        }
        Ok(())
    }

    pub(super) fn end(mut self, end: &End) -> io::Result<()> {
        self.gathering.add(self.begun, &end.as_line());
        self.write_gathered()?;
        self.to.close()
    }

    /// Leaves what is whole under its final name: it could not be continued.
    pub(super) fn abandon(self) -> io::Result<()> {
        self.to.close()
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn age(&self, now: Time) -> Duration {
        now.since(self.begun)
    }

    /// Without the context.
    pub(super) fn events(&self) -> u64 {
        self.events
    }
}

/// Writes all of `bytes` in one call where the system lets us.
pub(super) fn write_whole(to: &mut impl Write, bytes: &[u8]) -> io::Result<u64> {
    to.write_all(bytes)?;
    Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
