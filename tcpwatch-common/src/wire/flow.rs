/// A conversation as this host sees it. IPv4 addresses fill the first four bytes, the rest is zero.
///
/// Aligned to words, so that the hooks copy addresses by words and not by bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Flow {
    pub local: [u8; 16],
    pub remote: [u8; 16],
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
#[repr(C, align(8))]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Tuple {
    pub source: [u8; 16],
    pub destination: [u8; 16],
    /// Host byte order.
    pub source_port: u16,
    /// Host byte order.
    pub destination_port: u16,
    /// 4 or 6.
    pub version: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(size_of::<Tuple>() == 40);
