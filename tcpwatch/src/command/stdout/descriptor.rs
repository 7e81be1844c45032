//! Stdout without the line buffer of the standard library: sinks gather by themselves.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

/// Our own copy of the descriptor.
pub(in crate::command) struct Stdout(File);

impl Stdout {
    pub(in crate::command) fn open() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    pub(in crate::command) fn is_terminal(&self) -> bool {
        rustix::termios::isatty(&self.0)
    }

    /// Columns of the terminal, if it is one.
    pub(in crate::command) fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(&self.0).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    fn wait(&self) -> io::Result<()> {
        poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
        Ok(())
    }
}

impl Write for Stdout {
    /// Waits where the descriptor would not: the other end may have made it non-blocking for both of us.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
