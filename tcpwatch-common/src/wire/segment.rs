/// Header facts of a TCP segment that was received, and the packet it came in.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
pub struct Segment {
    /// Kernel address of the packet: the same packet in two records a few microseconds apart.
    pub packet: u64,
    pub seq: u32,
    pub ack: u32,
    /// Bytes of payload.
    pub payload: u32,
    /// As in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub tcp_flags: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    pub pad: [u8; 2],
}

const _: () = assert!(size_of::<Segment>() == 24);
