use super::{Address, Header, Socket, Task};

/// A socket entered or left LISTEN (`inet_csk_listen_start`, `inet_csk_listen_stop`); the kind says which.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Listener {
    pub header: Header,
    /// Bound address; all zero = any.
    pub local: Address,
    /// Host byte order.
    pub port: u16,
    /// 4 or 6: the family of the socket.
    pub version: u8,
    /// 1 when an IPv6 socket refuses IPv4 (`skc_ipv6only`).
    pub v6only: u8,
    pub pad: [u8; 4],
    pub socket: Socket,
    /// Process context: the doer.
    pub task: Task,
}

const _: () = assert!(size_of::<Listener>() == 112);
