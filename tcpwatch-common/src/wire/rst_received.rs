use super::{Conversation, Flow, Header, Socket};

/// `tcp_reset` ended a connection because a RST was accepted (net/ipv4/tcp_input.c).
///
/// The kernel also calls it for data after shutdown, without any RST: where the packet is known the hook has
/// checked its RST flag; where it is not ([`Self::has_packet`] 0) the reader must.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct RstReceived {
    pub header: Header,
    pub flow: Flow,
    /// As it was before the reset took effect.
    pub socket: Socket,
    /// Sequence number of the RST, or `rcv_nxt` (which it must equal to be accepted) without a packet.
    pub seq: u32,
    /// Acknowledgement number of the RST, valid with the ACK flag; 0 without a packet.
    pub ack: u32,
    /// Time to live or hop limit; 0 without a packet.
    pub ttl: u8,
    /// 1 when the packet was at hand and did carry RST.
    pub has_packet: u8,
    /// The flag byte of the TCP header; 0 without a packet.
    pub tcp_flags: u8,
    /// Time to live or hop limit of the latest data that lies unread in the socket; 0 when there is none.
    pub data_ttl: u8,
    pub conversation: Conversation,
    pub pad: [u8; 4],
}

const _: () = assert!(size_of::<RstReceived>() == 144);
