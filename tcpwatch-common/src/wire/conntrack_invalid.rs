use super::{Header, Segment, Tuple};

/// Conntrack found fault with a packet of a translated TCP connection (`nf_ct_l4proto_log_invalid`,
/// net/netfilter/nf_conntrack_proto.c). The kernel calls it for packets it declares invalid, which are not translated,
/// and for some that it only ignores, which are.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct ConntrackInvalid {
    pub header: Header,
    /// The entry the packet belongs to.
    pub original: Tuple,
    pub reply: Tuple,
    /// The packet.
    pub segment: Segment,
    /// `nf_conn.zone.id`.
    pub zone: u16,
    /// `enum tcp_conntrack`.
    pub tcp_state: u8,
    /// `enum ip_conntrack_info` of the packet: from 3 on it goes in the direction of the reply.
    pub ctinfo: u8,
    pub pad: [u8; 4],
}

const _: () = assert!(size_of::<ConntrackInvalid>() == 128);
