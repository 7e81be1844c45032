//! Tells a waiting program that every hook is live.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, RawFd};

use anyhow::anyhow;

/// Where to say it.
pub(super) struct Ready {
    descriptor: Option<File>,
}

impl Ready {
    /// Takes its own copy of the descriptor. To be called before anything else is opened: later the number might
    /// mean one of our own files.
    pub(super) fn new(number: Option<RawFd>) -> anyhow::Result<Self> {
        let copy = |number| {
            // SAFETY: the borrowed descriptor is only duplicated, and the kernel refuses numbers that are not open.
            let copy = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned();
            copy.map_err(|error| {
                anyhow!("cannot use file descriptor {number}: {error}. Give --ready-fd an open one")
            })
        };
        Ok(Self { descriptor: number.map(copy).transpose()?.map(File::from) })
    }

    /// Says it once. A reader that is gone does not matter.
    pub(super) fn tell(self) {
        if let Some(mut file) = self.descriptor {
            _ = file.write_all(LINE);
        }
        _ = io::stderr().write_all(LINE);
    }
}

const LINE: &[u8] = b"ready\n";

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_line_goes_to_the_descriptor() {
        let (mut reader, writer) = io::pipe().unwrap();
        Ready::new(Some(writer.as_raw_fd())).unwrap().tell();
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "ready\n");
    }

    #[test]
    fn a_number_that_is_not_open_is_refused() {
        let error = Ready::new(Some(1_000_000)).err().unwrap();
        assert!(error.to_string().contains("cannot use file descriptor 1000000"), "{error}");
    }
}
