use super::{Flow, Header, Segment};

/// A rule refused a packet with a RST (`nf_send_reset`, `nf_send_reset6`, `nf_reject_skb_v4_tcp_reset`,
/// `nf_reject_skb_v6_tcp_reset`).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct PacketRejected {
    pub header: Header,
    /// From the refused packet: local is its destination, in whose name the RST is sent.
    pub flow: Flow,
    /// The refused packet.
    pub segment: Segment,
    /// The device it came in by; all zero when none is known.
    pub input: DeviceName,
    /// The device it would have left by; all zero when none is known.
    pub output: DeviceName,
    /// `enum nf_inet_hooks` (include/uapi/linux/netfilter.h), or [`LINK_LAYER`].
    pub hook: u8,
    pub pad: [u8; 7],
}

/// Name of a network device as it lies in memory: 16 bytes, padded with NUL. Words for the reason of [`super::Address`].
pub type DeviceName = [u32; 4];

/// Value of [`PacketRejected::hook`]: a table of a bridge or of a device, whose hooks have numbers of their own.
pub const LINK_LAYER: u8 = 0xff;

const _: () = assert!(size_of::<PacketRejected>() == 120);
