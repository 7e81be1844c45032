//! A cgroup with a limit on memory, of version 2 or 1, whichever has the controller here.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;

use crate::patience::wait_for;

/// Room for so many bytes; removed with the guard, once nobody is in it.
pub struct MemoryLimit {
    folder: PathBuf,
}

impl MemoryLimit {
    /// `Err` says what this host lacks.
    pub fn of(bytes: u64) -> Result<Self, String> {
        let (root, limit) = root().ok_or("no cgroup here has the memory controller")?;
        let limited = Self { folder: root.join(format!("tw-{}", process::id())) };
        let make = || {
            fs::create_dir_all(&limited.folder)?;
            fs::write(limited.folder.join(limit), bytes.to_string())
        };
        make().map_err(|error: io::Error| format!("{}: {error}", limited.folder.display()))?;
        Ok(limited)
    }

    /// Puts a process into it.
    pub fn holds(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
            .expect("root may move a process into a cgroup");
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // A process that was just killed leaves a moment later.
        wait_for("a cgroup to be empty", || fs::remove_dir(&self.folder).ok());
    }
}

/// The folder of the controller, and the name of its limit.
fn root() -> Option<(PathBuf, &'static str)> {
    let (v2, v1) = (PathBuf::from("/sys/fs/cgroup"), PathBuf::from("/sys/fs/cgroup/memory"));
    let controllers = fs::read_to_string(v2.join("cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|name| name == "memory") {
        fs::write(v2.join("cgroup.subtree_control"), "+memory").ok()?;
        return Some((v2, "memory.max"));
    }
    v1.join("memory.limit_in_bytes").exists().then_some((v1, "memory.limit_in_bytes"))
}
