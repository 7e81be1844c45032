use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Acknowledged, Flow, NetNs, PacketId, Segment, Time};

/// A firewall rule refused a packet with a RST (`nf_send_reset`, `nf_send_reset6`). The kernel counts it in no `OutRsts`,
/// and neither end of the flow need be of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PacketRejected {
    pub time: Time,
    /// The namespace of the rule.
    pub netns: NetNs,
    pub hook: FilterHook,
    /// From the refused packet: local is its destination, in whose name the RST goes to the remote, its source.
    pub flow: Flow,
    /// The refused packet.
    pub segment: Segment,
    pub packet: PacketId,
    /// The device it came in by; `None` for packets of this namespace's own.
    pub input: Option<String>,
    /// The device it would have left by; `None` for packets to this namespace.
    pub output: Option<String>,
}

impl PacketRejected {
    /// The sequence number the RST carries (net/ipv4/netfilter/nf_reject_ipv4.c, `nf_reject_ip_tcphdr_put`).
    pub fn rst_seq(&self) -> u32 {
        self.segment.rst_seq()
    }

    /// What the RST acknowledges.
    pub fn rst_ack(&self) -> Acknowledged {
        self.segment.rst_ack()
    }
}

/// Where on its way through a namespace a packet meets the rules (include/uapi/linux/netfilter.h, `enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FilterHook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Ingress,
    /// A hook of a bridge or of a device: which one is not told.
    LinkLayer,
    /// A number this version does not know.
    Unknown,
}

impl FilterHook {
    pub fn from_kernel(number: u8) -> Self {
        match number {
            0 => Self::Prerouting,
            1 => Self::Input,
            2 => Self::Forward,
            3 => Self::Output,
            4 => Self::Postrouting,
            5 => Self::Ingress,
            _ => Self::Unknown,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::LinkLayer => "a hook of a bridge or a device",
            Self::Unknown => "an unknown hook",
        }
    }
}

impl fmt::Display for FilterHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rules of a namespace that refuse with a RST, as they were when somebody looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectRulesFound {
    pub time: Time,
    pub netns: NetNs,
    pub rules: Vec<RejectRule>,
    /// There are no others. False where rules cannot be listed, or where iptables keeps some of its own.
    pub complete: bool,
}

/// One rule of nftables that refuses with a RST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectRule {
    /// `ip`, `ip6`, `inet`, `bridge`, `netdev`, as nft calls it.
    pub family: String,
    pub table: String,
    pub chain: String,
    /// Where its chain is hooked in; `None` for a chain that others jump to.
    pub hook: Option<FilterHook>,
    /// As `nft -a list ruleset` shows it.
    pub handle: u64,
    pub comment: Option<String>,
}

impl fmt::Display for RejectRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, handle, .. } = self;
        write!(f, "{family} {table} {chain} handle {handle}")
    }
}
