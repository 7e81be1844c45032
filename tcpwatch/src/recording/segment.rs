//! One file of a recording while it is written: lines gather into frames, each frame is one write.

use std::io::{self, Write};
use std::time::Duration;

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::line::{End, Header, append};
use super::place::Opened;
use crate::event::{Event, Time};

/// A segment that is being written.
pub(super) struct Segment {
    to: Opened,
    /// `None`: written as plain text.
    compressor: Option<Compressor<'static>>,
    /// Whole lines that are not written yet.
    lines: Vec<u8>,
    /// When the first of them was told.
    gathered_since: Option<Time>,
    begun: Time,
    /// Bytes on disk.
    size: u64,
    events: u64,
}

impl Segment {
    pub(super) fn begin(
        to: Opened,
        now: Time,
        header: &Header,
        context: &[Event],
    ) -> io::Result<Self> {
        let compressor = to.is_compressed().then(compressor).transpose()?;
        let (lines, gathered_since) = (Vec::new(), Some(now));
        let (begun, size, events) = (now, 0, 0);
        let mut segment = Self { to, compressor, lines, gathered_since, begun, size, events };
        header.append_to(&mut segment.lines);
        context.iter().try_for_each(|event| segment.add(event))?;
        Ok(segment)
    }

    pub(super) fn event(&mut self, now: Time, event: &Event) -> io::Result<()> {
        self.events += 1;
        self.gathered_since.get_or_insert(now);
        self.add(event)
    }

    fn add(&mut self, event: &Event) -> io::Result<()> {
        append(event, &mut self.lines);
        if self.lines.len() >= FRAME { self.write_frame() } else { Ok(()) }
    }

    /// Writes what has waited for long enough.
    pub(super) fn write_if_due(&mut self, now: Time) -> io::Result<()> {
        match self.gathered_since {
            Some(since) if now.since(since) >= AT_MOST => self.write_frame(),
            _ => Ok(()),
        }
    }

    /// Nothing but the open frame is lost when we are killed, so frames are independent and end with a line.
    fn write_frame(&mut self) -> io::Result<()> {
        self.gathered_since = None;
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = match &mut self.compressor {
            Some(compressor) => self.to.write(&compressor.compress(&self.lines)?),
            None => self.to.write(&self.lines),
        };
        self.lines.clear();
        self.size += written?;
        Ok(())
    }

    pub(super) fn end(mut self, end: &End) -> io::Result<()> {
        end.append_to(&mut self.lines);
        self.write_frame()?;
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

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// The fastest that pays: level 3 made no smaller files of such lines.
const LEVEL: i32 = 1;

/// Bytes of text that make a frame.
const FRAME: usize = 128 * 1024;

/// How long a line waits for its frame to fill.
const AT_MOST: Duration = Duration::from_secs(1);

/// Writes all of `bytes` in one call where the system lets us.
pub(super) fn write_whole(to: &mut impl Write, bytes: &[u8]) -> io::Result<u64> {
    to.write_all(bytes)?;
    Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
