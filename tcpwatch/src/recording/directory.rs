//! A directory that is held open: whatever happens to its path, files are made, renamed and removed in this one.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, accessat, fstat,
    fstatvfs, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::limits::{Floor, Size, Space};

/// A directory, by descriptor.
pub(super) struct Directory {
    fd: OwnedFd,
    /// For people only.
    path: PathBuf,
}

/// A regular file of our own in it.
pub(super) struct Entry {
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Directory {
    /// One for segments: made if it is not there, and refused if others could have a hand in it.
    pub(super) fn of_segments(path: &Path) -> anyhow::Result<Self> {
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
    pub(super) fn around(file: &Path) -> anyhow::Result<Self> {
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
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.fd, name, flags | OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(fd))
    }

    /// A file that is there, to be changed. Whoever can write here may have put something else in its place: only a
    /// regular file of ours, with no other name, is what it seems.
    pub(super) fn open_ours(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        let stat = fstat(&file)?;
        if is_ours(&stat) && stat.st_nlink == 1 {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a plain file of ours"))
    }

    /// Does this name lead to this file?
    pub(super) fn names(&self, name: &str, file: &File) -> io::Result<bool> {
        let stat = match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            stat => stat?,
        };
        let held = fstat(file)?;
        Ok((stat.st_dev, stat.st_ino) == (held.st_dev, held.st_ino))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Never takes a name that is in use.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            // Not every file system can (old NFS, FUSE): then what is there is looked for first.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !self.has(to) => {
                Ok(renameat(&self.fd, from, &self.fd, to)?)
            }
            result => Ok(result?),
        }
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Plain files of our own; nothing else is ours to count or to touch.
    pub(super) fn files(&self) -> io::Result<Vec<Entry>> {
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

    pub(super) fn space(&self) -> io::Result<Space> {
        let disk = fstatvfs(&self.fd)?;
        let [free, whole] = [disk.f_bavail, disk.f_blocks].map(|n| n.saturating_mul(disk.f_frsize));
        Ok(Space { free, whole })
    }

    /// An error where `coming` bytes more would leave less than is to stay free, even without `removed` bytes.
    pub(super) fn keep_free(
        &self,
        min_free: Floor,
        coming: u64,
        removed: u64,
    ) -> anyhow::Result<()> {
        let space = self.space().context("cannot tell how much of the disk is free")?;
        let then = Space { free: space.free.saturating_add(removed), ..space };
        if !min_free.allows(coming, then) {
            bail!(
                "only {} of the disk of {} are free, and --min-free {min_free} keeps them free. Make room, or use another disk",
                Size(space.free),
                self.path.display()
            )
        }
        Ok(())
    }

    /// Makes names last, where the file system keeps them apart from the files.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// For people.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn refuse_link(path: &Path) -> anyhow::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_symlink() {
        bail!(
            "{} is a symbolic link, which can be turned elsewhere. Give the directory itself",
            path.display()
        )
    }
    if !found.is_dir() {
        bail!(
            "{} is not a directory. Give one, a name that ends in .tcpw.jsonl.zst for one file, or - for stdout",
            path.display()
        )
    }
    Ok(())
}

fn is_ours(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::recording::samples::Folder;

    fn refused(path: &Path) -> String {
        Directory::of_segments(path).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_made_for_us_alone_and_so_are_its_files() {
        let folder = Folder::new();
        let path = folder.path().join("a/b");
        let directory = Directory::of_segments(&path).unwrap();
        directory.create("x").unwrap();
        assert_eq!((mode_of(&path), mode_of(&path.join("x"))), (0o700, 0o600));
    }

    #[test]
    fn a_link_is_refused_with_or_without_a_slash() {
        let folder = Folder::new();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(refused(&link).contains("is a symbolic link"), "{}", refused(&link));
        assert!(refused(&link.join("")).contains("is a symbolic link"));
        symlink(folder.path().join("nowhere"), folder.path().join("dangling")).unwrap();
        assert!(refused(&folder.path().join("dangling")).contains("is a symbolic link"));
    }

    #[test]
    fn one_that_others_can_change_is_refused_unless_it_is_sticky() {
        let folder = Folder::new();
        let path = folder.path().join("open");
        fs::create_dir(&path).unwrap();
        for mode in [0o777, 0o770, 0o702] {
            set_mode(&path, mode);
            let said = refused(&path);
            assert!(said.contains(&format!("(mode 0{mode:o}). Run `chmod go-w`")), "{said}");
        }
        for mode in [0o1777, 0o755, 0o700] {
            set_mode(&path, mode);
            assert_eq!(refused(&path), "", "{mode:o}");
        }
    }

    #[test]
    fn one_of_another_user_is_refused() {
        let said = if geteuid().is_root() {
            let folder = Folder::new();
            let path = folder.path().join("theirs");
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            refused(&path)
        } else {
            refused(Path::new("/"))
        };
        assert!(said.contains("not to us"), "{said}");
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        assert!(refused(Path::new("/dev/null")).contains("is not a directory. Give one"));
    }

    #[test]
    fn a_swapped_path_redirects_nothing() {
        let folder = Folder::new();
        let (path, moved) = (folder.path().join("d"), folder.path().join("moved"));
        let directory = Directory::of_segments(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        directory.create("x").unwrap();
        directory.rename("x", "y").unwrap();
        assert!(moved.join("y").exists() && !path.join("y").exists());
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let folder = Folder::new();
        let directory = Directory::of_segments(folder.path()).unwrap();
        symlink("elsewhere", folder.path().join("link")).unwrap();
        directory.create("a").unwrap();
        directory.create("b").unwrap();
        for name in ["a", "link"] {
            let error = directory.create(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
            let error = directory.rename("b", name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
    }

    #[test]
    fn only_plain_files_are_ours() {
        let folder = Folder::new();
        let directory = Directory::of_segments(folder.path()).unwrap();
        fs::write(folder.path().join("plain"), "four").unwrap();
        fs::create_dir(folder.path().join("directory")).unwrap();
        symlink("plain", folder.path().join("link")).unwrap();
        let files = directory.files().unwrap();
        let files: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(files, [("plain", 4)]);
        assert!(directory.open_ours("link").is_err());
        fs::hard_link(folder.path().join("plain"), folder.path().join("second")).unwrap();
        assert!(directory.open_ours("plain").is_err(), "it has another name somewhere");
    }
}
