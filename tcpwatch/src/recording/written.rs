//! How much of a recording has reached its place.

use super::frame::Frame;

/// Sums of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) segments: u64,
    /// Without those that later segments repeat for their own readers.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Segments, of this run or others, that had to go to make room.
    pub(super) removed: u64,
}

impl Written {
    pub(super) fn add(&mut self, frame: &Frame) {
        self.events += frame.events;
        self.bytes += u64::try_from(frame.bytes.len()).unwrap_or(u64::MAX);
    }
}
