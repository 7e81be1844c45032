use serde::{Deserialize, Serialize};

use super::{Flow, NetNs, PacketId, Segment, Time};

/// An ACK met an unfinished handshake and acknowledged something else than this host's SYN+ACK (`tcp_check_req`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HandshakeAckRefused {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    pub segment: Segment,
    pub packet: PacketId,
    /// The number it should have acknowledged.
    pub expected: u32,
}
