//! Stdout as the standard library has it, which knows how terminals want their text.

use std::io::{self, IsTerminal, Write};

/// Shared with the standard library.
pub(in crate::command) struct Stdout(io::Stdout);

impl Stdout {
    #[expect(clippy::unnecessary_wraps, reason = "the same as where it can fail")]
    pub(in crate::command) fn open() -> io::Result<Self> {
        Ok(Self(io::stdout()))
    }

    pub(in crate::command) fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }

    /// Columns of the terminal are not known.
    #[expect(clippy::unused_self, reason = "the same as where they are")]
    pub(in crate::command) fn columns(&self) -> Option<usize> {
        None
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
