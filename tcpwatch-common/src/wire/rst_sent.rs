use super::{Conversation, Flow, Header, Segment, Socket};

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
    /// The provoking segment.
    pub segment: Segment,
    /// `enum sk_rst_reason`, or [`super::NOT_GIVEN`].
    pub reason: i32,
    /// 1 when the packet still carried a conntrack entry, and then [`Self::ctinfo`] is `enum ip_conntrack_info`.
    pub tracked: u8,
    pub ctinfo: u8,
    /// Timeouts in a row until now of what is not acknowledged (`icsk_retransmits`).
    pub retransmits: u8,
    pub pad: u8,
    /// Of the socket the segment met.
    pub conversation: Conversation,
}

const _: () = assert!(size_of::<RstSent>() == 160);
