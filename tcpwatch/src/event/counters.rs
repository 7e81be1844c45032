use serde::{Deserialize, Serialize};

use super::{NetNs, Time};

/// The kernel's own counters of one namespace (`/proc/net/snmp`, `/proc/net/netstat`), since it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default, schemars::JsonSchema))]
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
    /// `None` where conntrack is not there, or does not count.
    #[serde(default)]
    pub conntrack: Option<ConntrackCounters>,
}

/// What conntrack counts in one namespace (`/proc/net/stat/nf_conntrack`), and how full its table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConntrackCounters {
    /// `nf_conntrack_count`.
    pub entries: u64,
    /// `nf_conntrack_max`; 0 = no limit.
    pub limit: u64,
    /// `early_drop`: entries removed for want of room.
    pub early_drops: u64,
    /// `drop`: packets dropped because no entry could be made for them.
    pub drops: u64,
    /// `invalid`: packets that belong to no connection, or not to where they claim to.
    pub invalid: u64,
}
