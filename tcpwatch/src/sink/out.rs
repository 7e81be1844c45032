//! Bytes on their way out: gathered, then written at once.

use std::io::{self, Write};

/// A buffer in front of a writer.
pub(super) struct Out<W> {
    pub(super) bytes: Vec<u8>,
    to: W,
}

impl<W: Write> Out<W> {
    pub(super) fn new(to: W) -> Self {
        Self { bytes: Vec::with_capacity(ENOUGH), to }
    }

    /// Writes early when more has gathered than is worth waiting for.
    pub(super) fn relieve(&mut self) -> io::Result<()> {
        if self.bytes.len() >= ENOUGH { self.drain() } else { Ok(()) }
    }

    /// Writes everything.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.to.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        self.to.flush()
    }
}

const ENOUGH: usize = 64 * 1024;
