//! A directory by its name, for systems without files relative to a descriptor.
//!
//! Who may read what is made in it, the directory itself says there: new files get its permissions.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Entry, refuse_link};
use crate::recording::limits::Space;

/// A directory, by name.
pub(in crate::recording) struct Directory {
    pub(super) path: PathBuf,
}

impl Directory {
    /// One for segments: made if it is not there.
    pub(in crate::recording) fn of_segments(path: &Path) -> anyhow::Result<Self> {
        let path: PathBuf = path.components().collect();
        refuse_link(&path)?;
        let made = fs::create_dir_all(&path);
        made.with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path })
    }

    /// The one in which a single file is to lie.
    pub(in crate::recording) fn around(file: &Path) -> anyhow::Result<Self> {
        let path = file.parent().filter(|path| *path != Path::new("")).unwrap_or(Path::new("."));
        let found = fs::metadata(path);
        found.with_context(|| format!("cannot open the directory {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// A new file.
    pub(in crate::recording) fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(self.path_of(name))
    }

    /// A file that is there, to be changed.
    pub(in crate::recording) fn open_ours(&self, name: &str) -> io::Result<File> {
        if fs::symlink_metadata(self.path_of(name))?.is_file() {
            return OpenOptions::new().read(true).write(true).open(self.path_of(name));
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a plain file"))
    }

    /// Does this name lead to this file? While it is open no other file can take its name.
    #[expect(clippy::unnecessary_wraps, reason = "the same as where it can fail")]
    pub(in crate::recording) fn names(&self, name: &str, _file: &File) -> io::Result<bool> {
        Ok(self.has(name))
    }

    pub(in crate::recording) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path_of(name)).is_ok()
    }

    /// Never takes a name that is in use.
    pub(in crate::recording) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.has(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.path_of(from), self.path_of(to))
    }

    pub(in crate::recording) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path_of(name))
    }

    /// Plain files; nothing else is ours to count or to touch.
    pub(in crate::recording) fn files(&self) -> io::Result<Vec<Entry>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Another process may be at work here too.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_file() {
                files.push(Entry { name, size: found.len() });
            }
        }
        Ok(files)
    }

    pub(in crate::recording) fn space(&self) -> io::Result<Space> {
        let disk = fs4::statvfs(&self.path)?;
        Ok(Space { free: disk.available_space(), whole: disk.total_space() })
    }

    /// Names last as long as files do, as far as programs can tell.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the same as where it can fail"
    )]
    pub(in crate::recording) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// For people.
    pub(in crate::recording) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
