use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Conversation, Flow, NetNs, Owner, Socket, SocketFile, Task, Time};

/// This host answered a segment with a RST (`tcp_v4_send_reset`, `tcp_v6_send_reset`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Of the socket the segment met.
    #[serde(default)]
    pub conversation: Option<Box<Conversation>>,
    /// The segment met what is left of a closed connection: since the peer acknowledged its end.
    #[serde(default)]
    pub ended_ago: Option<Duration>,
    /// The segment met a listener: since that answered a SYN with a cookie.
    #[serde(default)]
    pub cookies_ago: Option<Duration>,
    /// Timeouts in a row, until then, of what the peer had not acknowledged.
    #[serde(default)]
    pub retransmits: u8,
}

impl RstSent {
    /// The sequence number the RST carries (net/ipv4/tcp_ipv4.c, `tcp_v4_send_reset`).
    pub fn rst_seq(&self) -> u32 {
        self.segment.rst_seq()
    }

    /// What the RST acknowledges: the segment, unless that brought an acknowledgement itself.
    pub fn rst_ack(&self) -> Acknowledged {
        self.segment.rst_ack()
    }
}

/// This host gave up a connection of its own accord (`tcp_send_active_reset`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectionAborted {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    pub socket: Socket,
    /// The sequence number the RST carries.
    pub seq: u32,
    /// It always acknowledges what was received (net/ipv4/tcp_output.c, `tcp_send_active_reset`).
    #[serde(default)]
    pub ack: Acknowledged,
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
    /// Milliseconds since the peer last acknowledged anything; `None` in state CLOSE.
    #[serde(default)]
    pub silence: Option<u32>,
    /// The doer, looked up a moment later, when it was still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Box<Owner>>,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RstReceived {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    /// As it was before the reset took effect.
    pub socket: Socket,
    /// The sequence number of the RST; without a packet `rcv_nxt`, which it had to equal.
    pub seq: u32,
    #[serde(default)]
    pub ack: Acknowledged,
    /// Of the packet that carried the RST. `None`: the way of attaching shows no packet, and then the same call
    /// may also mean data after shutdown (followed at once by a RST sent from the same socket).
    pub ttl: Option<u8>,
    /// Of the peer's latest data, where some lay unread in the socket.
    #[serde(default)]
    pub data_ttl: Option<u8>,
    /// As it was before the reset took effect.
    #[serde(default)]
    pub conversation: Option<Box<Conversation>>,
}

/// What a RST acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Acknowledged {
    /// No packet was at hand, or the recording is older than this field.
    #[default]
    Unseen,
    /// Nothing: no ACK flag.
    Nothing,
    /// The ACK flag, and this number.
    Number(u32),
}

/// Header facts of one TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Segment {
    pub seq: u32,
    pub ack: u32,
    /// Bytes.
    pub payload: u32,
    pub flags: TcpFlags,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

impl Segment {
    /// The sequence number of the RST that answers it: TCP and firewall rules do it alike.
    pub(super) fn rst_seq(&self) -> u32 {
        if self.flags.ack() { self.ack } else { 0 }
    }

    /// What that RST acknowledges.
    pub(super) fn rst_ack(&self) -> Acknowledged {
        if self.flags.ack() {
            return Acknowledged::Nothing;
        }
        let flags = u32::from(self.flags.syn()) + u32::from(self.flags.fin());
        Acknowledged::Number(self.seq.wrapping_add(self.payload).wrapping_add(flags))
    }
}

/// The flag byte of the TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// No entry on the packet: not tracked, invalid, or already detached.
    None,
    Established,
    Related,
    New,
    Untracked,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seq and ack of the answer to a segment of four bytes with these flags.
    fn answered(flags: u8) -> (u32, Acknowledged) {
        let segment =
            Segment { seq: u32::MAX, ack: 700, payload: 4, flags: TcpFlags(flags), ttl: 64 };
        let addr = std::net::Ipv4Addr::LOCALHOST;
        let end = super::super::Endpoint::new(addr, 80);
        let rst = RstSent {
            time: Time(0),
            netns: NetNs(1),
            flow: Flow { local: end, remote: end },
            socket: None,
            segment,
            packet: PacketId(0),
            reason: None,
            tracking: Tracking::None,
            conversation: None,
            ended_ago: None,
            cookies_ago: None,
            retransmits: 0,
        };
        (rst.rst_seq(), rst.rst_ack())
    }

    #[test]
    fn an_answer_continues_what_the_segment_acknowledged() {
        assert_eq!(answered(TcpFlags::ACK), (700, Acknowledged::Nothing));
        assert_eq!(answered(TcpFlags::SYN | TcpFlags::ACK), (700, Acknowledged::Nothing));
    }

    #[test]
    fn else_it_acknowledges_the_segment_with_all_it_occupies() {
        assert_eq!(answered(0), (0, Acknowledged::Number(3)));
        assert_eq!(answered(TcpFlags::SYN), (0, Acknowledged::Number(4)));
        assert_eq!(answered(TcpFlags::SYN | TcpFlags::FIN), (0, Acknowledged::Number(5)));
    }

    #[test]
    fn a_recording_older_than_the_field_says_unseen() {
        let text = concat!(
            r#"{"time":"0.000000001","netns":1,"#,
            r#""flow":{"local":{"addr":"::1","port":80},"remote":{"addr":"::1","port":81}},"#,
            r#""socket":{"id":"0x1","kind":"full","state":"ESTABLISHED","substate":null,"owned":true,"#,
            r#""dead":false,"keepalive":false,"linger_zero":false,"inode":null,"cgroup":null,"#,
            r#""accept_queue":null,"syn_queue_len":null},"seq":5,"ttl":64}"#,
        );
        let rst: RstReceived = serde_json::from_str(text).unwrap();
        assert_eq!((rst.seq, rst.ack), (5, Acknowledged::Unseen));
    }
}
