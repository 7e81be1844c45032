//! Places for recordings: a folder, or a disk as small as one likes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A folder of our own, gone with the guard.
pub struct Folder {
    path: PathBuf,
    is_disk: bool,
}

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tw-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a new folder can be made");
        Self { path, is_disk: false }
    }

    /// A disk of so many bytes.
    pub fn disk(bytes: u32) -> Self {
        let mut folder = Self::new();
        let options = format!("size={bytes},mode=0700");
        let (kind, flags) = (Some("tmpfs"), MsFlags::empty());
        mount(kind, &folder.path, kind, flags, Some(&*options)).expect("root may mount a tmpfs");
        folder.is_disk = true;
        folder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The files in it, sorted by name, with their sizes in bytes.
    pub fn files(&self) -> Vec<(String, u64)> {
        let mut files: Vec<_> = fs::read_dir(&self.path)
            .expect("our folder can be listed")
            // A segment may go while we look.
            .filter_map(|entry| {
                let entry = entry.expect("our folder can be listed");
                Some((
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.metadata().ok()?.len(),
                ))
            })
            .collect();
        files.sort();
        files
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_disk {
            let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}
