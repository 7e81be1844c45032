//! A directory that is held open: whatever happens to its path, files are made, renamed and removed in this one.

mod rename;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, accessat, fstat, fstatvfs, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{Entry, refuse_link};
use crate::recording::limits::Space;

/// A directory, by descriptor.
pub(in crate::recording) struct Directory {
    fd: OwnedFd,
    /// For people only.
    pub(super) path: PathBuf,
}

impl Directory {
    /// One for segments: made if it is not there, and refused if others could have a hand in it.
    pub(in crate::recording) fn of_segments(path: &Path) -> anyhow::Result<Self> {
        // Without a slash at its end, which would follow a link.
        let path: PathBuf = path.components().collect();
        refuse_link(&path)?;
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&path);
        made.with_context(|| format!("cannot make the directory {}", path.display()))?;
        let directory = Self::open(path, OFlags::NOFOLLOW)?;
        directory.refuse_strangers()?;
        directory.refuse_unwritable()?;
        Ok(directory)
    }

    /// The one in which a single file is to lie. It may be anybody's: only that one file is ours.
    pub(in crate::recording) fn around(file: &Path) -> anyhow::Result<Self> {
        let path = file.parent().filter(|path| *path != Path::new("")).unwrap_or(Path::new("."));
        Self::open(path.to_owned(), OFlags::empty())
    }

    fn open(path: PathBuf, flags: OFlags) -> anyhow::Result<Self> {
        let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, &path, flags, Mode::empty());
        let fd = fd.with_context(|| format!("cannot open the directory {}", path.display()))?;
        Ok(Self { fd, path })
    }

    fn refuse_strangers(&self) -> anyhow::Result<()> {
        let (stat, us) = (fstat(&self.fd)?, geteuid().as_raw());
        let (owner, mode, path) =
            (stat.st_uid, Mode::from_raw_mode(stat.st_mode), self.path.display());
        if owner != us {
            bail!(
                "{path} belongs to user {owner}, not to us (user {us}). Give a directory of our own, or one that does not exist yet"
            )
        }
        if mode.intersects(Mode::WGRP | Mode::WOTH) && !mode.contains(Mode::SVTX) {
            bail!(
                "{path} can be changed by other users (mode {:04o}). Run `chmod go-w` on it, or give one that does not exist yet",
                mode.as_raw_mode()
            )
        }
        Ok(())
    }

    /// Before anything is watched, not after.
    fn refuse_unwritable(&self) -> anyhow::Result<()> {
        let access = accessat(&self.fd, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
        access.with_context(|| {
            format!("cannot write to {}. Give a directory on another disk", self.path.display())
        })
    }

    /// A new file that only we can read.
    pub(in crate::recording) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.fd, name, flags | OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(fd))
    }

    /// A file that is there, to be changed. Whoever can write here may have put something else in its place: only a
    /// regular file of ours, with no other name, is what it seems.
    pub(in crate::recording) fn open_ours(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        let stat = fstat(&file)?;
        if is_ours(&stat) && stat.st_nlink == 1 {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a plain file of ours"))
    }

    /// Does this name lead to this file?
    pub(in crate::recording) fn names(&self, name: &str, file: &File) -> io::Result<bool> {
        let stat = match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            stat => stat?,
        };
        let held = fstat(file)?;
        Ok((stat.st_dev, stat.st_ino) == (held.st_dev, held.st_ino))
    }

    pub(in crate::recording) fn has(&self, name: &str) -> bool {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Never takes a name that is in use.
    pub(in crate::recording) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match rename::to_free_name(&self.fd, from, to) {
            // Not every file system can (old NFS, FUSE): then what is there is looked for first.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !self.has(to) => {
                Ok(renameat(&self.fd, from, &self.fd, to)?)
            }
            result => Ok(result?),
        }
    }

    pub(in crate::recording) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Plain files of our own; nothing else is ours to count or to touch.
    pub(in crate::recording) fn files(&self) -> io::Result<Vec<Entry>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            // Another process may be at work here too.
            let Ok(stat) = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if is_ours(&stat) {
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                files.push(Entry { name: name.to_owned(), size });
            }
        }
        Ok(files)
    }

    pub(in crate::recording) fn space(&self) -> io::Result<Space> {
        let disk = fstatvfs(&self.fd)?;
        let [free, whole] = [disk.f_bavail, disk.f_blocks].map(|n| n.saturating_mul(disk.f_frsize));
        Ok(Space { free, whole })
    }

    /// Makes names last, where the file system keeps them apart from the files.
    pub(in crate::recording) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// For people.
    pub(in crate::recording) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn is_ours(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == geteuid().as_raw()
}
