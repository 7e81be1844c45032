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
    /// Milliseconds: `icsk_user_timeout`; 0 in state CLOSE.
    pub user_timeout: u32,
    /// `tcp_sock.rcv_nxt`: what the RST acknowledges.
    pub ack: u32,
    /// Keepalive or window probes without an answer: `icsk_probes_out`; 0 in state CLOSE.
    pub probes: u8,
    /// What became of the socket's file: one of [`socket_file`].
    pub file: u8,
    /// Bits of [`abort_flag`].
    pub flags: u16,
    /// Ticks since the peer last acknowledged anything (`tcp_sock.rcv_tstamp`); 0 in state CLOSE.
    pub silent: u32,
    /// The low half of `bpf_jiffies64` now: with the time it tells how long a tick is.
    pub jiffies: u32,
    pub task: Task,
}

const _: () = assert!(size_of::<ConnectionAborted>() == 160);

/// Values of [`ConnectionAborted::file`].
pub mod socket_file {
    /// It could not be read.
    pub const UNKNOWN: u8 = 0;
    /// There is none: an orphan, never accepted, or a socket of the kernel's own.
    pub const NONE: u8 = 1;
    /// Somebody refers to it.
    pub const OPEN: u8 = 2;
    /// Its last reference is gone: it is being closed.
    pub const RELEASED: u8 = 3;
}

/// Bits of [`ConnectionAborted::flags`].
pub mod abort_flag {
    /// `sk_lock.owned`: the running task holds the socket's lock (a timer or softirq that finds it taken comes back
    /// later), so it is the doer.
    pub const LOCKED: u16 = 1 << 0;
    /// `SOCK_DONE`: a FIN was received.
    pub const FIN_RECEIVED: u16 = 1 << 1;
    /// `snd_una != write_seq`: data or a FIN is not yet sent, or not acknowledged.
    pub const UNACKED: u16 = 1 << 2;
    /// `tcp_sock.linger2 < 0`: `TCP_LINGER2` asks for an abort in place of FIN_WAIT2; looked at for orphans only.
    pub const LINGER2_NEGATIVE: u16 = 1 << 3;
    /// `tcp_sock.is_mptcp`: a subflow of MPTCP.
    pub const MPTCP: u16 = 1 << 4;
    /// TCP's memory is above the last value of `tcp_mem`; looked at for orphans only.
    pub const MEMORY_EXCEEDED: u16 = 1 << 5;
    /// The running task is exiting, and the OOM killer had chosen it (`signal_struct.oom_mm`).
    pub const OOM_VICTIM: u16 = 1 << 6;
}
