/// An address as it lies in memory, in network byte order; IPv4 in the first word, the rest zero.
///
/// Words and not bytes: the BPF machine has no unaligned stores, so bytes would be copied one by one.
pub type Address = [u32; 4];

/// A conversation as this host sees it.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Flow {
    pub local: Address,
    pub remote: Address,
    /// Host byte order.
    pub local_port: u16,
    /// Host byte order.
    pub remote_port: u16,
    /// 4 or 6: the version of the packet, not of the socket (a v6 socket may speak v4).
    pub version: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(size_of::<Flow>() == 40);

/// One direction of a conntrack entry: header words, so `source` and `destination`.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Tuple {
    pub source: Address,
    pub destination: Address,
    /// Host byte order.
    pub source_port: u16,
    /// Host byte order.
    pub destination_port: u16,
    /// 4 or 6.
    pub version: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(size_of::<Tuple>() == 40);
