use serde::{Deserialize, Serialize};

use super::{NetNs, Time};

/// The kernel's own counters of one namespace (`/proc/net/snmp`, `/proc/net/netstat`), since it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub struct CountersRead {
    pub time: Time,
    pub netns: NetNs,
    /// Tcp `OutRsts`.
    pub out_rsts: u64,
    /// Tcp `EstabResets`.
    pub estab_resets: u64,
    /// Tcp `AttemptFails`.
    pub attempt_fails: u64,
    /// TcpExt `ListenOverflows`.
    pub listen_overflows: u64,
    /// TcpExt `ListenDrops`.
    pub listen_drops: u64,
    /// TcpExt `SyncookiesFailed`.
    pub syncookies_failed: u64,
}
