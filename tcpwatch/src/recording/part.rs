//! A file while it is written: under a temporary name, and locked, so that others can tell that its writer lives.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::sync::Arc;

use super::directory::Directory;
use super::name::part;

/// A file that is being written.
pub(super) struct Part {
    directory: Arc<Directory>,
    file: File,
    /// What it will be called.
    name: String,
    /// Bytes of whole frames.
    size: u64,
}

impl Part {
    pub(super) fn create(directory: &Arc<Directory>, name: &str) -> io::Result<Self> {
        loop {
            let file = directory.create(&part(name))?;
            await_lock(&file);
            // Between its making and its locking another tcpwatch may have taken it for a dead one's, and removed it.
            if directory.names(&part(name), &file)? {
                let (directory, name) = (Arc::clone(directory), name.to_owned());
                return Ok(Self { directory, file, name, size: 0 });
            }
        }
    }

    /// Writes all of it, or nothing.
    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(frame);
        written.inspect_err(|_| _ = self.file.set_len(self.size))?;
        self.size += u64::try_from(frame.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Gives it its name. One into which nothing was written goes away instead.
    pub(super) fn finish(self) -> io::Result<()> {
        if self.size == 0 {
            return Ok(());
        }
        let synced = self.file.sync_all();
        self.directory.rename(&part(&self.name), &self.name)?;
        synced.and_then(|()| self.directory.sync())
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.size == 0 {
            _ = self.directory.remove(&part(&self.name));
        }
    }
}

/// Whoever else holds it only looks whether its writer lives. A file system without locks gives none.
fn await_lock(file: &File) {
    while let Err(error) = file.lock() {
        if error.kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Is the file free of a living writer? It is then ours for as long as it is open. Where nothing can be locked, nobody
/// can tell.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::recording::samples::Folder;

    fn part_in(folder: &Folder) -> (Arc<Directory>, Part) {
        let directory = Arc::new(Directory::of_segments(folder.path()).unwrap());
        let part = Part::create(&directory, "x").unwrap();
        (directory, part)
    }

    #[test]
    fn it_gets_its_name_when_it_is_finished() {
        let folder = Folder::new();
        let (_, mut part) = part_in(&folder);
        part.write(b"frame").unwrap();
        assert_eq!(folder.names(), ["x.part"]);
        part.finish().unwrap();
        assert_eq!(folder.names(), ["x"]);
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"frame");
    }

    #[test]
    fn an_empty_one_leaves_nothing_behind() {
        let folder = Folder::new();
        drop(part_in(&folder));
        assert_eq!(folder.names(), [""; 0]);
        part_in(&folder).1.finish().unwrap();
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn others_can_tell_that_its_writer_lives() {
        let folder = Folder::new();
        let (directory, mut part) = part_in(&folder);
        part.write(b"frame").unwrap();
        let seen_by_another = directory.open_ours("x.part").unwrap();
        assert!(!try_lock(&seen_by_another).unwrap());
        drop(part);
        assert!(try_lock(&seen_by_another).unwrap());
    }

    #[test]
    fn it_never_takes_a_name_in_use() {
        let folder = Folder::new();
        let (directory, mut part) = part_in(&folder);
        assert!(Part::create(&directory, "x").is_err());
        part.write(b"frame").unwrap();
        fs::write(folder.path().join("x"), "somebody else's").unwrap();
        assert_eq!(part.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"somebody else's");
    }
}
