use serde::{Deserialize, Serialize};

use super::{Flow, NetNs, Socket, Task, Time};

/// This host answered a segment with a RST (`tcp_v4_send_reset`, `tcp_v6_send_reset`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RstSent {
    pub time: Time,
    pub netns: NetNs,
    /// From the provoking packet.
    pub flow: Flow,
    /// The socket the segment met.
    pub socket: Option<Socket>,
    /// The provoking segment.
    pub segment: Segment,
    pub packet: PacketId,
    /// The kernel's `sk_rst_reason`, in the kernel's words without prefix (`TCP_FLAGS`).
    pub reason: Option<String>,
    /// What conntrack thought of the packet.
    pub tracking: Tracking,
}

impl RstSent {
    /// The sequence number the RST carries (net/ipv4/tcp_ipv4.c, `tcp_v4_send_reset`).
    pub fn rst_seq(&self) -> u32 {
        if self.segment.flags.ack() { self.segment.ack } else { 0 }
    }
}

/// This host gave up a connection of its own accord (`tcp_send_active_reset`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionAborted {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    pub socket: Socket,
    /// The sequence number the RST carries.
    pub seq: u32,
    /// Bytes received and never read; a FIN counts as one.
    pub unread: u32,
    pub reason: Option<String>,
    /// Milliseconds; 0 = not set.
    pub user_timeout: u32,
    /// Keepalive or window probes sent without an answer.
    pub probes: u8,
    /// Who was running: the doer only where the mechanism says so.
    pub task: Task,
}

/// This host accepted a RST (`tcp_reset`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RstReceived {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    /// As it was before the reset took effect.
    pub socket: Socket,
    /// The sequence number of the RST; without a packet `rcv_nxt`, which it had to equal.
    pub seq: u32,
    /// Of the packet that carried the RST. `None`: the way of attaching shows no packet, and then the same call
    /// may also mean data after shutdown (followed at once by a RST sent from the same socket).
    pub ttl: Option<u8>,
}

/// Header facts of one TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub seq: u32,
    pub ack: u32,
    /// Bytes.
    pub payload: u32,
    pub flags: TcpFlags,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

/// The flag byte of the TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;

    pub fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    pub fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    pub fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// Kernel address of a packet: the same packet in two events a few microseconds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PacketId(#[serde(with = "super::address")] pub u64);

/// What conntrack thought of a packet (`skb->_nfct`, `enum ip_conntrack_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// No entry on the packet: not tracked, invalid, or already detached.
    None,
    Established,
    Related,
    New,
    Untracked,
}
