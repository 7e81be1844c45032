use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{NamedPod, NetNs, Time};

/// The machine and its clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostDescribed {
    pub time: Time,
    /// Nanoseconds since 1970 at [`Self::time`].
    #[serde(with = "super::time::seconds")]
    #[cfg_attr(test, schemars(with = "Time"))]
    pub wall: u64,
    pub hostname: String,
    pub boot_id: String,
    /// `uname -r`.
    pub kernel: String,
    /// Of tcpwatch.
    pub version: String,
}

impl HostDescribed {
    /// Wall clock minus boot clock, in nanoseconds.
    pub fn wall_offset(&self) -> i128 {
        i128::from(self.wall) - i128::from(self.time.0)
    }
}

/// One of several hosts that are watched or replayed together, by its place among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// A network namespace, when it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamespaceDescribed {
    pub time: Time,
    pub netns: NetNs,
    /// The name under `/run/netns`, when it has one.
    pub name: Option<String>,
    /// A process that lives in it.
    pub pid: Option<u32>,
    /// That process's command.
    pub command: Option<String>,
    /// The pod that all its processes are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<NamedPod>,
    /// It was not there when this run started: a new pod, a new container.
    pub appeared: bool,
    /// Every listener of it was reported before this event.
    pub listeners_complete: bool,
    pub addresses: Vec<IpAddr>,
    /// The values of this namespace.
    pub sysctls: Sysctls,
}

/// Sysctl name without `/proc/sys/` and with dots (`net.core.somaxconn`) → value as the kernel prints it.
pub type Sysctls = BTreeMap<String, String>;

/// A network namespace is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamespaceVanished {
    pub time: Time,
    pub netns: NetNs,
}
