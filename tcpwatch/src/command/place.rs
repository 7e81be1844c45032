//! Where the user wants a recording.

use std::path::Path;

use anyhow::bail;

use super::stdout::Stdout;
use crate::cli::{Destination, Keeping};
use crate::recording::Place;

/// A directory, a file, or stdout (`-`).
pub(super) fn of(to: &Path, keeping: &Keeping) -> anyhow::Result<Place> {
    match Destination::of(to) {
        Destination::Stdout => stdout(),
        Destination::File(path) => Place::file(path, keeping.min_free()),
        Destination::Directory(path) => {
            Place::directory(path, keeping.rotation(), keeping.retention())
        }
    }
}

fn stdout() -> anyhow::Result<Place> {
    let stdout = Stdout::open()?;
    if stdout.is_terminal() {
        bail!("a recording is not for terminals. Send it to a file or a pipe: -o - > FILE")
    }
    Ok(Place::stream(stdout))
}
