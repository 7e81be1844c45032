//! Lines gather into frames: independent, of whole lines, neither large nor old.

use std::io;
use std::time::Duration;

use serde::Serialize;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::line::append;
use crate::event::Time;

/// Lines that wait for their frame.
pub(super) struct Gathering {
    /// `None`: frames are plain text.
    compressor: Option<Compressor<'static>>,
    lines: Vec<u8>,
    /// When the first of them was told.
    since: Option<Time>,
    events: u64,
}

/// Whole lines as they stand on disk.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) events: u64,
}

impl Gathering {
    pub(super) fn new(compressed: bool) -> io::Result<Self> {
        let compressor = compressed.then(compressor).transpose()?;
        Ok(Self { compressor, lines: Vec::new(), since: None, events: 0 })
    }

    pub(super) fn add(&mut self, now: Time, line: &impl Serialize) {
        self.since.get_or_insert(now);
        self.events += 1;
        append(line, &mut self.lines);
    }

    /// It is large enough, or has waited for long enough.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.lines.len() >= LARGE || self.since.is_some_and(|since| now.since(since) >= OLD)
    }

    /// Of no lines an empty one.
    pub(super) fn finish(&mut self) -> io::Result<Frame> {
        self.since = None;
        let events = std::mem::take(&mut self.events);
        let lines = std::mem::take(&mut self.lines);
        let bytes = match &mut self.compressor {
            Some(compressor) if !lines.is_empty() => compressor.compress(&lines)?,
            _ => lines,
        };
        Ok(Frame { bytes, events })
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
const LARGE: usize = 128 * 1024;

/// How long a line waits for its frame to fill.
const OLD: Duration = Duration::from_secs(1);
