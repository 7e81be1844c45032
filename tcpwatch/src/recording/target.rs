//! What recordings are written to: a directory of segments, one file, or a stream.

use std::io::Write;

use anyhow::Context;

/// Takes what a recording consists of. All of it may block, for as long as disks and readers do.
pub(super) trait Target: Send {
    /// The next segment, which is to have this name where it can have one.
    fn begin(&mut self, name: &str) -> anyhow::Result<()>;

    /// All of a frame, or nothing of it.
    fn write(&mut self, frame: &[u8]) -> anyhow::Result<()>;

    /// The open segment is complete, or cannot be continued. Does nothing where none is open.
    fn end(&mut self) -> anyhow::Result<()>;

    /// Segments that had to go to make room.
    fn removed(&self) -> u64 {
        0
    }
}

/// Into a pipe: segments follow one another.
pub(super) struct Stream<W>(pub(super) W);

impl<W: Write + Send> Target for Stream<W> {
    fn begin(&mut self, _name: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let written = self.0.write_all(frame).and_then(|()| self.0.flush());
        written.context("the recording cannot be sent on")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
