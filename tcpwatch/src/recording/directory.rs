//! The directory a recording is written to, and nothing outside it.
//!
//! Where the system allows, it is held open by descriptor; elsewhere it is found by its name each time.

#[cfg(unix)]
mod held;
#[cfg(not(unix))]
mod named;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

#[cfg(unix)]
pub(super) use held::Directory;
#[cfg(not(unix))]
pub(super) use named::Directory;

use super::limits::{Floor, Size, Space};

/// A regular file of our own in it.
pub(super) struct Entry {
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Directory {
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

#[cfg(all(test, unix))]
mod tests {
    use std::io;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::process::geteuid;

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
