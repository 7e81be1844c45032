//! Limits of the whole machine, for as long as a scenario lasts.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A value that was set; what was there before comes back with the end of this guard.
pub struct Sysctl {
    path: PathBuf,
    before: String,
}

impl Sysctl {
    /// Sets a file below `/proc/sys` or `/sys` in the initial namespaces.
    pub fn of_the_machine(path: &str, value: impl fmt::Display) -> Self {
        let path = Path::new(path).to_owned();
        let before = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        fs::write(&path, value.to_string())
            .unwrap_or_else(|error| panic!("cannot set {}: {error}", path.display()));
        Self { path, before }
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, self.before.trim());
    }
}
