//! Where the next tcpwatch also records what it is told, when somebody wants to keep the incident.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

static NEXT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The next tcpwatch to be started records to this file; `None`: it records nothing.
pub fn next_to(file: Option<PathBuf>) {
    *NEXT.lock().unwrap_or_else(PoisonError::into_inner) = file;
}

/// One file holds one run.
pub(crate) fn take() -> Option<PathBuf> {
    NEXT.lock().unwrap_or_else(PoisonError::into_inner).take()
}
