//! A recording in one file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::directory::Directory;
use super::limits::Floor;
use super::name::part;
use super::part::Part;
use super::repair::{Found, repair};
use super::target::Target;

/// One file, made at once: what stands in its way is said before anything is watched.
pub(super) struct Single {
    directory: Arc<Directory>,
    min_free: Floor,
    part: Option<Part>,
}

impl Single {
    pub(super) fn new(path: &Path, compressed: bool, min_free: Floor) -> anyhow::Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is no name for a file", path.display()))?;
        let directory = Arc::new(Directory::around(path)?);
        if directory.has(name) {
            bail!("{} exists already. Give another name, or remove it first", path.display());
        }
        if directory.has(&part(name)) {
            take_care_of_part(&directory, name, compressed)?;
        }
        directory.keep_free(min_free, 0, 0)?;
        let made = Part::create(&directory, name);
        let made = made.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { directory, min_free, part: Some(made) })
    }
}

impl Target for Single {
    fn begin(&mut self, _name: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        self.directory.keep_free(self.min_free, u64::try_from(frame.len())?, 0)?;
        let Some(part) = &mut self.part else { return Ok(()) };
        part.write(frame).with_context(|| {
            format!("cannot write to {}", self.directory.path_of(part.name()).display())
        })
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let path = self.directory.path_of(part.name());
        part.finish().with_context(|| format!("cannot finish {}", path.display()))
    }
}

/// Somebody recorded to the same name before, or does so now.
fn take_care_of_part(directory: &Directory, name: &str, compressed: bool) -> anyhow::Result<()> {
    let path = directory.path_of(name);
    let path = path.display();
    let found = repair(directory, name, compressed);
    match found.with_context(|| format!("{path}.part cannot be repaired. Give another name"))? {
        Found::Nothing => bail!("another tcpwatch records to {path}. Give another name"),
        Found::Repaired { .. } => bail!(
            "{path} holds a recording that was cut off; it has just been repaired. Give another name, or remove it first"
        ),
        Found::Empty => Ok(()),
    }
}
