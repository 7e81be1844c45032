use super::{Flow, Header, Socket};

/// The last ACK of a handshake found the accept queue full (`tcp_v4_syn_recv_sock`, label `exit_overflow`).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct AcceptQueueOverflowed {
    pub header: Header,
    pub flow: Flow,
    /// The listener; all zero when the way of attaching gives no socket.
    pub socket: Socket,
    /// Kernel address of the packet: joins it with the RST that answers the same packet.
    pub packet: u64,
}

const _: () = assert!(size_of::<AcceptQueueOverflowed>() == 104);
