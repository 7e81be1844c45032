use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Flow, NetNs, Socket, SocketFile, Task, Time};

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
    /// Milliseconds; 0 = not set, or the socket was not in use any more (state CLOSE).
    pub user_timeout: u32,
    /// Keepalive or window probes sent without an answer; 0 in state CLOSE.
    pub probes: u8,
    /// Who was running: see [`Self::doer`].
    pub task: Task,
    /// That task held the socket's lock.
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub file: SocketFile,
    /// The peer had closed its end.
    #[serde(default)]
    pub fin_received: bool,
    /// Data or a FIN was not yet sent, or not yet acknowledged.
    #[serde(default)]
    pub unacknowledged: bool,
    /// `TCP_LINGER2` below zero; looked at for orphans only.
    #[serde(default)]
    pub linger2_negative: bool,
    /// A subflow of an MPTCP connection.
    #[serde(default)]
    pub mptcp: bool,
    /// TCP's memory was above the last value of `tcp_mem`; looked at for orphans only.
    #[serde(default)]
    pub memory_exceeded: bool,
    /// How long ago the peer last acknowledged anything; `None` in state CLOSE.
    #[serde(default)]
    pub silence: Option<Duration>,
}

impl ConnectionAborted {
    /// Who did it: the running task, if it held the socket's lock (timers and softirqs never do), and is no thread of
    /// the kernel's, which closes what others left behind. A descriptor in flight between AF_UNIX sockets that nobody
    /// can receive any more is closed by whoever closes such a socket next (net/unix/garbage.c, before 6.9).
    pub fn doer(&self) -> Option<&Task> {
        (self.locked && !self.task.kernel).then_some(&self.task)
    }

    /// Bytes received and never read.
    pub fn unread_bytes(&self) -> u32 {
        self.unread.saturating_sub(self.fin_received.into())
    }
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
