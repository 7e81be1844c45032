/// The head of every record.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Header {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`), stamped after the ring slot was reserved.
    pub time: u64,
    /// Inode number of the network namespace (`net.ns.inum`); 0 when it could not be read.
    pub netns: u32,
    /// Processor that ran the hook.
    pub cpu: u16,
    /// Which record this is: one of [`kind`].
    pub kind: u8,
    /// How the hook was attached: one of [`way`].
    pub way: u8,
}

const _: () = assert!(size_of::<Header>() == 16);

/// Values of [`Header::kind`].
pub mod kind {
    pub const RST_SENT: u8 = 1;
    pub const CONNECTION_ABORTED: u8 = 2;
    pub const RST_RECEIVED: u8 = 3;
    pub const ACCEPT_QUEUE_OVERFLOWED: u8 = 4;
    pub const LISTENER_OPENED: u8 = 5;
    pub const LISTENER_CLOSED: u8 = 6;
    pub const CONNTRACK_DESTROYED: u8 = 7;
    pub const PACKET_REJECTED: u8 = 8;
    pub const CONNTRACK_INVALID: u8 = 9;
    pub const HANDSHAKE_ACK_REFUSED: u8 = 11;
}

/// Values of [`Header::way`].
pub mod way {
    pub const FENTRY: u8 = 1;
    pub const KPROBE: u8 = 2;
    pub const TRACEPOINT: u8 = 3;
}
