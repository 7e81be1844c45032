//! Cgroups of version 2 or 1, whichever there is: one with a limit on memory, and those of a pod.

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

/// The cgroups of a pod with one container, as the kubelet and a runtime make them, below one of our own; removed with
/// the guard, once nobody is in them.
pub struct PodCgroup {
    /// From the outermost to the container's.
    folders: Vec<PathBuf>,
}

/// Who makes the cgroups of pods.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    Cgroupfs,
    /// With containerd.
    Systemd,
}

/// Uid of the pod.
pub const POD: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
/// Id of the container.
pub const CONTAINER: &str = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";

impl PodCgroup {
    /// `Err` says what this host lacks.
    pub fn made_by(driver: Driver) -> Result<Self, String> {
        let below = driver.path();
        let mut folder = hierarchy()?.join(format!("tw-pod-{}", process::id()));
        let mut made = Self { folders: Vec::new() };
        for part in std::iter::once("").chain(below.split('/')) {
            folder.push(part);
            fs::create_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            made.folders.push(folder.clone());
        }
        Ok(made)
    }

    /// Puts a process into the container.
    pub fn holds(&self, pid: u32) {
        let container = self.folders.last().expect("it was made");
        fs::write(container.join("cgroup.procs"), pid.to_string())
            .expect("root may move a process into a cgroup");
    }
}

impl Drop for PodCgroup {
    fn drop(&mut self) {
        for folder in self.folders.iter().rev() {
            wait_for("a cgroup to be empty", || fs::remove_dir(folder).ok());
        }
    }
}

impl Driver {
    fn path(self) -> String {
        match self {
            Self::Cgroupfs => format!("kubepods/burstable/pod{POD}/{CONTAINER}"),
            Self::Systemd => format!(
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{CONTAINER}.scope",
                POD.replace('-', "_")
            ),
        }
    }
}

/// The root of a hierarchy that takes processes without further ado.
fn hierarchy() -> Result<PathBuf, String> {
    let roots =
        ["", "unified", "systemd", "memory"].map(|name| PathBuf::from("/sys/fs/cgroup").join(name));
    let found = roots.into_iter().find(|root| root.join("cgroup.procs").exists());
    found.ok_or_else(|| "no cgroup hierarchy is mounted at /sys/fs/cgroup".to_owned())
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
