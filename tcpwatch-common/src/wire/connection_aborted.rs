use super::{Flow, Header, Socket, Task};

/// `tcp_send_active_reset` gave up a connection of its own accord (net/ipv4/tcp_output.c).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct ConnectionAborted {
    pub header: Header,
    pub flow: Flow,
    pub socket: Socket,
    /// `tcp_sock.snd_nxt`: the sequence number the RST carries.
    pub seq: u32,
    /// `rcv_nxt - copied_seq`: bytes (and perhaps a FIN) that were never read.
    pub unread: u32,
    /// `enum sk_rst_reason`, or [`super::NOT_GIVEN`].
    pub reason: i32,
    /// Milliseconds: `icsk_user_timeout`.
    pub user_timeout: u32,
    /// `tcp_sock.rcv_nxt`: what the RST acknowledges.
    pub ack: u32,
    /// Keepalive or window probes without an answer: `icsk_probes_out`.
    pub probes: u8,
    pub pad: [u8; 3],
    pub task: Task,
}

const _: () = assert!(size_of::<ConnectionAborted>() == 152);
