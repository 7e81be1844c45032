use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Endpoint, NetNs, PacketId, Segment, Time};

/// A conntrack entry died while its connection was alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConntrackDestroyed {
    pub time: Time,
    /// The namespace that kept the entry: seldom the one that sends the reset.
    pub netns: NetNs,
    pub entry: ConntrackEntry,
    /// `None` where the source does not say (ctnetlink before 5.15).
    pub state: Option<ConntrackState>,
    /// It had seen traffic in both directions.
    pub seen_reply: bool,
    /// The kernel held it for a settled connection, not to be dropped early.
    pub assured: bool,
    /// `None` where the source cannot tell.
    pub death: Option<Death>,
    /// Who removed it, when it was removed by hand and the remover is known.
    pub remover: Option<Remover>,
    /// It was seen to be removed for want of room, within `early_drop`. False also where that cannot be seen.
    #[serde(default)]
    pub evicted: bool,
}

/// Conntrack found fault with a packet of a translated connection (`nf_ct_l4proto_log_invalid`). Such a packet is not
/// translated, if it is invalid; some that are only ignored are told the same way and go on as others do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConntrackInvalid {
    pub time: Time,
    /// The namespace that keeps the entry.
    pub netns: NetNs,
    /// The entry it belongs to, which lives on.
    pub entry: ConntrackEntry,
    pub state: ConntrackState,
    pub direction: ConntrackDirection,
    /// The packet.
    pub segment: Segment,
    pub packet: PacketId,
}

impl ConntrackInvalid {
    /// The headers of the packet.
    pub fn headers(&self) -> Tuple {
        match self.direction {
            ConntrackDirection::Original => self.entry.original,
            ConntrackDirection::Reply => self.entry.reply,
        }
    }

    /// The headers it would have had behind the translation.
    pub fn translated(&self) -> Tuple {
        match self.direction {
            ConntrackDirection::Original => self.entry.reply.reversed(),
            ConntrackDirection::Reply => self.entry.original.reversed(),
        }
    }

    /// Its entry makes other headers of these.
    pub fn is_of_translation(&self) -> bool {
        self.headers() != self.translated()
    }
}

/// Which way a packet goes through a conntrack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConntrackDirection {
    Original,
    Reply,
}

/// Both directions of an entry, in header words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConntrackEntry {
    /// Client to service address.
    pub original: Tuple,
    /// Back end to client: what answers look like before they are translated back.
    pub reply: Tuple,
    /// Equal tuples of different zones are different connections (`ct zone`, Open vSwitch); 0 is the zone of all others.
    #[serde(default)]
    pub zone: u16,
}

impl ConntrackEntry {
    /// The destination was translated: service address ≠ back end.
    pub fn is_dnat(&self) -> bool {
        self.original.destination != self.reply.source
    }
}

/// One direction of a flow, as in the packet headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tuple {
    pub source: Endpoint,
    pub destination: Endpoint,
}

impl Tuple {
    /// What an answer looks like where nothing is translated.
    pub fn reversed(self) -> Self {
        Self { source: self.destination, destination: self.source }
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.source, self.destination)
    }
}

/// How an entry died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// Its time ran out; removal may come much later than the end of its life.
    Expired {
        /// How long before the removal it had expired, nanoseconds; `None` where the source does not say.
        before_removal: Option<Duration>,
    },
    /// It was removed with time left.
    Removed { remaining: Duration },
}

/// Who deleted an entry through netlink or in process context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remover {
    /// 0: it asked through netlink, and was gone before the number of its socket led to it.
    pub pid: u32,
    /// `None` when the process was gone before it could be looked up.
    pub command: Option<String>,
}

impl fmt::Display for Remover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{command}[{}]", self.pid),
            None if self.pid == 0 => f.write_str("a process (gone)"),
            None => write!(f, "pid {} (gone)", self.pid),
        }
    }
}

/// `enum tcp_conntrack` (include/uapi/linux/netfilter/nf_conntrack_tcp.h), in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConntrackState {
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Close,
    SynSent2,
    Unknown,
}

impl ConntrackState {
    /// As `conntrack -L` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::SynSent2 => "SYN_SENT2",
            Self::Unknown => "unknown state",
        }
    }

    pub fn from_kernel(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::SynSent,
            2 => Self::SynRecv,
            3 => Self::Established,
            4 => Self::FinWait,
            5 => Self::CloseWait,
            6 => Self::LastAck,
            7 => Self::TimeWait,
            8 => Self::Close,
            9 => Self::SynSent2,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for ConntrackState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
