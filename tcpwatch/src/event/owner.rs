use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NetNs, Time};

/// The task that was running at a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Task {
    pub pid: u32,
    pub command: String,
    pub uid: u32,
    /// Set while it is exiting.
    pub exit: Option<Exit>,
    /// It is exiting, and the OOM killer had chosen it.
    #[serde(default)]
    pub oom_victim: bool,
    /// A thread of the kernel's own, which does things in somebody's name.
    #[serde(default)]
    pub kernel: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Status(u8),
    /// By a signal of this number.
    Signal(u8),
}

/// Who holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Owner {
    pub pid: u32,
    pub command: String,
    /// Path below the cgroup root.
    pub cgroup: Option<String>,
}

impl From<&Task> for Owner {
    fn from(task: &Task) -> Self {
        Self { pid: task.pid, command: task.command.clone(), cgroup: None }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.command, self.pid)
    }
}

/// The process behind a socket inode was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OwnerFound {
    pub time: Time,
    pub netns: NetNs,
    pub inode: u64,
    /// `None`: no process holds it (any more).
    pub owner: Option<Owner>,
}
