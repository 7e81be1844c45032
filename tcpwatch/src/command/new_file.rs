//! Files the user asked for.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Context;

/// For nobody else's eyes, and never over something that is there.
pub(super) fn create(path: &Path) -> anyhow::Result<File> {
    let file = private().write(true).create_new(true).open(path);
    file.with_context(|| {
        format!("cannot create {}. Give the name of a file that is not there", path.display())
    })
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Who may read it, its directory says.
#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}
