use super::{Flow, Header, Socket};

/// `tcp_v4_send_reset` / `tcp_v6_send_reset` answered a segment with a RST (net/ipv4/tcp_ipv4.c).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct RstSent {
    pub header: Header,
    /// From the provoking packet, never from the socket (a listener has no peer).
    pub flow: Flow,
    /// The socket the segment met, if any.
    pub socket: Socket,
    /// Kernel address of the provoking packet: joins it with an overflow of the same packet.
    pub packet: u64,
    /// Sequence number of the provoking segment.
    pub seq: u32,
    /// Acknowledgement number of the provoking segment.
    pub ack: u32,
    /// Bytes of payload in the provoking segment.
    pub payload: u32,
    /// `enum sk_rst_reason`, or [`super::NOT_GIVEN`].
    pub reason: i32,
    /// TCP flags of the provoking segment, as in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub tcp_flags: u8,
    /// Time to live or hop limit of the provoking packet.
    pub ttl: u8,
    /// 1 when the packet still carried a conntrack entry, and then [`Self::ctinfo`] is `enum ip_conntrack_info`.
    pub tracked: u8,
    pub ctinfo: u8,
    pub pad: [u8; 4],
}

const _: () = assert!(size_of::<RstSent>() == 128);
