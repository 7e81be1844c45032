use super::{Flow, Header, Segment};

/// An ACK met an unfinished handshake and acknowledged something else than the SYN+ACK of this host
/// (`tcp_check_req`, net/ipv4/tcp_minisocks.c).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct HandshakeAckRefused {
    pub header: Header,
    pub flow: Flow,
    /// The ACK: the packet a RST may answer.
    pub segment: Segment,
    /// What it should have acknowledged: `snt_isn + 1`.
    pub expected: u32,
    pub pad: [u8; 4],
}

const _: () = assert!(size_of::<HandshakeAckRefused>() == 88);
