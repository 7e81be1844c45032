use super::{Flow, Header, Segment, Socket};

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
    /// The ACK, which may carry data: where the handshake ended, and the packet a RST may answer.
    pub segment: Segment,
}

const _: () = assert!(size_of::<AcceptQueueOverflowed>() == 120);
