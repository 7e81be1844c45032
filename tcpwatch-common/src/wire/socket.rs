/// What a hook read from the socket it was given. All zero when there was none.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Socket {
    /// Kernel address of the sock: an identity among living sockets only, never shown.
    pub id: u64,
    /// Cgroup v2 id (`kernfs_node.id`); 0 = unknown (5.10 keeps other data in that word).
    pub cgroup: u64,
    /// Socket inode number; 0 = none (orphan, or never accepted).
    pub inode: u64,
    /// Connections waiting in the accept queue (`sk_ack_backlog`); listeners only.
    pub accept_len: u32,
    /// Its limit (`sk_max_ack_backlog`); full means `len > limit` (include/net/sock.h, `sk_acceptq_is_full`).
    pub accept_limit: u32,
    /// Request sockets waiting for the final ACK (`icsk_accept_queue.qlen`); listeners only.
    pub syn_len: u32,
    /// `skc_state` (include/net/tcp_states.h).
    pub state: u8,
    /// One of [`socket_kind`].
    pub kind: u8,
    /// Bits of [`socket_flag`].
    pub flags: u8,
    /// For a TIME_WAIT socket `tw_substate` (FIN_WAIT2 or TIME_WAIT), else 0.
    pub substate: u8,
}

const _: () = assert!(size_of::<Socket>() == 40);

/// Values of [`Socket::kind`]: which of the three structs behind `sock_common` it is.
pub mod socket_kind {
    pub const NONE: u8 = 0;
    pub const FULL: u8 = 1;
    pub const TIME_WAIT: u8 = 2;
    pub const REQUEST: u8 = 3;
}

/// Bits of [`Socket::flags`].
pub mod socket_flag {
    /// `SOCK_DEAD`: no longer attached to a file.
    pub const DEAD: u8 = 1 << 0;
    /// `SOCK_KEEPOPEN`: TCP keepalive is on.
    pub const KEEPALIVE: u8 = 1 << 1;
    /// `SOCK_LINGER` with `sk_lingertime` 0.
    pub const LINGER_ZERO: u8 = 1 << 2;
    /// `sk_socket` is set: some file owns it (false: orphan, or never accepted).
    pub const OWNED: u8 = 1 << 3;
    /// `SOCK_DONE`: the peer's FIN has arrived.
    pub const PEER_ENDED: u8 = 1 << 4;
}
