//! A new name for a file, unless it is in use. Not every system can do both in one step.

use std::os::fd::OwnedFd;

use rustix::io::Result;

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(super) fn to_free_name(directory: &OwnedFd, from: &str, to: &str) -> Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};

    renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(super) fn to_free_name(_directory: &OwnedFd, _from: &str, _to: &str) -> Result<()> {
    Err(rustix::io::Errno::NOSYS)
}
