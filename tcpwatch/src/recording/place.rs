//! Where a recording goes: a directory of segments, one file, or whoever reads our stdout.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::limits::{Floor, Retention, Rotation};
use super::segments::Segments;
use super::single::Single;
use super::target::{Stream, Target};

/// Where a recording goes.
pub struct Place {
    pub(super) target: Box<dyn Target>,
    pub(super) rotation: Option<Rotation>,
    pub(super) compressed: bool,
    pub(super) whereabouts: Whereabouts,
}

/// Where people find it.
#[derive(Default)]
pub(super) enum Whereabouts {
    Directory {
        path: PathBuf,
        /// There are segments of other runs too.
        shared: bool,
    },
    File(PathBuf),
    /// Whoever reads it has it.
    #[default]
    Pipe,
}

impl Whereabouts {
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory { path, .. } | Self::File(path) => Some(path),
            Self::Pipe => None,
        }
    }
}

impl Place {
    /// Segments with names of their own. The directory is made when it is not there, and refused when others could
    /// change it.
    pub fn directory(
        path: &Path,
        rotation: Rotation,
        retention: Retention,
    ) -> anyhow::Result<Self> {
        let target = Segments::new(path, retention)?;
        let (path, shared) = (path.to_owned(), target.is_shared());
        let (target, whereabouts) = (Box::new(target), Whereabouts::Directory { path, shared });
        Ok(Self { target, rotation: Some(rotation), compressed: true, whereabouts })
    }

    /// One new file; plain text if its name ends in `.jsonl`.
    pub fn file(path: &Path, min_free: Floor) -> anyhow::Result<Self> {
        let compressed = path.extension().is_none_or(|extension| extension != "jsonl");
        let target = Box::new(Single::new(path, compressed, min_free)?);
        let whereabouts = Whereabouts::File(path.to_owned());
        Ok(Self { target, rotation: None, compressed, whereabouts })
    }

    pub fn stream(to: impl Write + Send + 'static) -> Self {
        let (target, whereabouts) = (Box::new(Stream(to)), Whereabouts::Pipe);
        Self { target, rotation: None, compressed: true, whereabouts }
    }
}
