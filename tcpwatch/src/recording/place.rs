//! Where a recording goes: a directory of segments, one file, or whoever reads our stdout.

use std::io::Write;
use std::path::Path;

use super::limits::{Floor, Retention, Rotation};
use super::segments::Segments;
use super::single::Single;
use super::target::{Stream, Target};

/// Where a recording goes.
pub struct Place {
    pub(super) target: Box<dyn Target>,
    pub(super) rotation: Option<Rotation>,
    pub(super) compressed: bool,
}

impl Place {
    /// Segments with names of their own. The directory is made when it is not there, and refused when others could
    /// change it.
    pub fn directory(
        path: &Path,
        rotation: Rotation,
        retention: Retention,
    ) -> anyhow::Result<Self> {
        let target = Box::new(Segments::new(path, retention)?);
        Ok(Self { target, rotation: Some(rotation), compressed: true })
    }

    /// One new file; plain text if its name ends in `.jsonl`.
    pub fn file(path: &Path, min_free: Floor) -> anyhow::Result<Self> {
        let compressed = path.extension().is_none_or(|extension| extension != "jsonl");
        let target = Box::new(Single::new(path, compressed, min_free)?);
        Ok(Self { target, rotation: None, compressed })
    }

    pub fn stream(to: impl Write + Send + 'static) -> Self {
        Self { target: Box::new(Stream(to)), rotation: None, compressed: true }
    }
}
