//! Where the user wants a recording.

use std::path::Path;

use anyhow::bail;

use super::stdout::Stdout;
use crate::cli::Keeping;
use crate::recording::{Place, Rotation};

/// A directory, a file, or stdout (`-`).
pub(super) fn of(to: &Path, keeping: &Keeping) -> anyhow::Result<Place> {
    if to == Path::new("-") {
        return stdout();
    }
    let rotation = Rotation { size: keeping.rotate_size, age: keeping.rotate_time };
    Place::at(to, rotation)
}

fn stdout() -> anyhow::Result<Place> {
    let stdout = Stdout::open()?;
    if stdout.is_terminal() {
        bail!("a recording is not for terminals. Send it to a file or a pipe: -o - > FILE")
    }
    Ok(Place::Stream(Box::new(stdout)))
}
