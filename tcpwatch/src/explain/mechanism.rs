//! How the kernel came to send the RST: a closed set, known at once from hook, arguments and state.

use std::fmt;

use serde::Serialize;

use crate::event::{ConnectionAborted, RstSent, SocketFile, SocketKind, TcpState};

/// Sites in the kernel where resets are born, or the one where they land (net/ipv4/tcp_*.c, 5.10 to 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A SYN found no socket (tcp_v4_rcv, no_tcp_socket).
    SynToNoSocket,
    /// A SYN+ACK found no socket.
    SynAckToNoSocket,
    /// Any other segment found no socket.
    SegmentToNoSocket,
    /// An ACK without connection reached a LISTEN socket (tcp_rcv_state_process).
    AckToListener,
    /// The handshake's last ACK was refused on the request path (tcp_check_req, embryonic_reset).
    HandshakeRefused,
    /// A second SYN arrived in the middle of a handshake (tcp_check_req, embryonic_reset).
    SynDuringHandshake,
    /// A segment for a connection already closed (tcp_timewait_state_process).
    SegmentToTimeWait,
    /// The answer to our SYN acknowledged something else (tcp_rcv_synsent_state_process).
    BadAckToSyn,
    /// The ACK of a handshake acknowledged something else (tcp_rcv_state_process, SYN_RECV).
    BadHandshakeAck,
    /// Data arrived after the reader had gone (tcp_rcv_state_process, TCPAbortOnData).
    DataAfterClose,
    /// A reply from a socket in a state none of the above covers.
    OtherReply,
    /// close() with data unread (__tcp_close).
    CloseWithUnreadData,
    /// close() with SO_LINGER zero (tcp_disconnect).
    CloseWithLingerZero,
    /// close() with TCP_LINGER2 below zero, once the peer had acknowledged the FIN (__tcp_close).
    CloseWithNegativeLinger2,
    /// connect() to AF_UNSPEC (tcp_disconnect).
    Disconnected,
    /// A listener was closed with connections waiting to be accepted (inet_child_forget).
    NeverAccepted,
    /// Keepalive probes or the user timeout ran out (tcp_keepalive_timer).
    KeepaliveTimeout,
    /// Memory or orphan limits (tcp_out_of_resources, tcp_check_oom).
    OutOfMemory,
    /// Somebody had the socket destroyed: `ss -K`, `bpf_sock_destroy` (tcp_abort).
    Destroyed,
    /// Closed here, and the peer did not close its end within tcp_fin_timeout (tcp_keepalive_timer).
    FinWait2Timeout,
    /// MPTCP gave up a subflow (net/mptcp).
    MptcpSubflow,
    /// A reset of its own accord that none of the above covers.
    OtherAbort,
    /// A firewall rule refused a packet with a RST (nf_send_reset).
    Rejected,
    /// A RST arrived and was accepted (tcp_reset).
    FromPeer,
}

/// What the packet that a listener answered had done to a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing that was seen.
    Untouched,
    /// It would have completed one, but found the accept queue full.
    Overflowed,
    /// It acknowledged something else.
    AckRefused,
}

impl Mechanism {
    /// How a reply came about, and what the answered packet was seen to do to a handshake before.
    pub fn of_reply(rst: &RstSent, handshake: Handshake) -> Self {
        let Some(socket) = &rst.socket else { return no_socket(rst) };
        if socket.kind == SocketKind::TimeWait {
            return Self::SegmentToTimeWait;
        }
        match socket.state {
            TcpState::Listen => met_listener(rst, handshake),
            TcpState::SynSent => Self::BadAckToSyn,
            TcpState::SynRecv | TcpState::NewSynRecv => Self::BadHandshakeAck,
            TcpState::Close
            | TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::CloseWait
            | TcpState::Closing
            | TcpState::LastAck => Self::DataAfterClose,
            _ => Self::OtherReply,
        }
    }

    /// How a reset of our own accord came about. The kernel's own word comes first, where it has one for the place;
    /// the socket tells the places apart that share a word or have none (before 6.10).
    pub fn of_abort(rst: &ConnectionAborted) -> Self {
        let reason = word(rst);
        if rst.mptcp || reason.is_some_and(|reason| reason.starts_with("MPTCP_")) {
            return Self::MptcpSubflow;
        }
        match reason {
            Some("TCP_ABORT_ON_CLOSE") => Self::CloseWithUnreadData,
            Some("TCP_ABORT_ON_LINGER") => Self::CloseWithNegativeLinger2,
            Some("TCP_ABORT_ON_MEMORY") => Self::OutOfMemory,
            Some("TCP_KEEPALIVE_TIMEOUT") => Self::KeepaliveTimeout,
            _ if rst.socket.state == TcpState::Close => closed(rst),
            _ if rst.file == SocketFile::Unknown => Self::OtherAbort,
            _ if rst.locked => locked(rst),
            _ => timed_out(rst),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::SynToNoSocket => "syn-to-no-socket",
            Self::SynAckToNoSocket => "syn-ack-to-no-socket",
            Self::SegmentToNoSocket => "segment-to-no-socket",
            Self::AckToListener => "ack-to-listener",
            Self::HandshakeRefused => "handshake-refused",
            Self::SynDuringHandshake => "syn-during-handshake",
            Self::SegmentToTimeWait => "segment-to-time-wait",
            Self::BadAckToSyn => "bad-ack-to-syn",
            Self::BadHandshakeAck => "bad-handshake-ack",
            Self::DataAfterClose => "data-after-close",
            Self::OtherReply => "other-reply",
            Self::CloseWithUnreadData => "close-with-unread-data",
            Self::CloseWithLingerZero => "close-with-linger-zero",
            Self::CloseWithNegativeLinger2 => "close-with-negative-linger2",
            Self::Disconnected => "disconnected",
            Self::NeverAccepted => "never-accepted",
            Self::KeepaliveTimeout => "keepalive-timeout",
            Self::OutOfMemory => "out-of-memory",
            Self::Destroyed => "destroyed",
            Self::FinWait2Timeout => "fin-wait2-timeout",
            Self::MptcpSubflow => "mptcp-subflow",
            Self::OtherAbort => "other-abort",
            Self::Rejected => "rejected",
            Self::FromPeer => "from-peer",
        }
    }

    /// The same as a sentence about what the kernel did.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::SynToNoSocket => "a SYN arrived for a port on which nothing listens",
            Self::SynAckToNoSocket => "a SYN+ACK arrived for which no socket waits",
            Self::SegmentToNoSocket => "a segment arrived for which there is no socket",
            Self::AckToListener => "a segment without connection reached a LISTEN socket",
            Self::HandshakeRefused => "the last ACK of a handshake was refused",
            Self::SynDuringHandshake => "a second SYN arrived in the middle of a handshake",
            Self::SegmentToTimeWait => "a segment arrived for a connection already closed",
            Self::BadAckToSyn => "the answer to our SYN acknowledged something else",
            Self::BadHandshakeAck => "the ACK of a handshake acknowledged something else",
            Self::DataAfterClose => "data arrived after the local end had closed",
            Self::OtherReply => "a socket refused a segment",
            Self::CloseWithUnreadData => "the socket was closed with data unread",
            Self::CloseWithLingerZero => "the socket was closed with SO_LINGER zero",
            Self::CloseWithNegativeLinger2 => "the socket was closed with TCP_LINGER2 below zero",
            Self::Disconnected => "the connection was dissolved by connect(AF_UNSPEC)",
            Self::NeverAccepted => "the connection was never accepted",
            Self::KeepaliveTimeout => "keepalive probes went unanswered",
            Self::OutOfMemory => "TCP memory or orphan limits were reached",
            Self::Destroyed => "the socket was destroyed by somebody else",
            Self::FinWait2Timeout => "the peer did not close its end in time",
            Self::MptcpSubflow => "MPTCP gave up a subflow",
            Self::OtherAbort => "the connection was aborted locally",
            Self::Rejected => "a firewall rule refused a packet",
            Self::FromPeer => "a RST arrived",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn no_socket(rst: &RstSent) -> Mechanism {
    match (rst.segment.flags.syn(), rst.segment.flags.ack()) {
        (true, false) => Mechanism::SynToNoSocket,
        (true, true) => Mechanism::SynAckToNoSocket,
        (false, _) => Mechanism::SegmentToNoSocket,
    }
}

/// A listener answers from two places: on the request path the kernel says INVALID_SYN whatever the case
/// (net/ipv4/tcp_minisocks.c, `tcp_check_req`; 6.12 to 7.2), so the SYN flag of the segment tells them apart.
/// Kernels before 6.10 give no reason; there the overflow of the same packet tells.
fn met_listener(rst: &RstSent, handshake: Handshake) -> Mechanism {
    let refused =
        handshake == Handshake::Overflowed || rst.reason.as_deref() == Some("INVALID_SYN");
    let flags = rst.segment.flags;
    match (flags.syn() && (!flags.ack() || refused), refused) {
        (true, _) => Mechanism::SynDuringHandshake,
        (false, true) => Mechanism::HandshakeRefused,
        (false, false) if handshake == Handshake::AckRefused || child_refused(rst) => {
            Mechanism::BadHandshakeAck
        }
        (false, false) => Mechanism::AckToListener,
    }
}

/// The kernel's reason, where it says something; 6.10 passed an empty word everywhere.
fn word(rst: &ConnectionAborted) -> Option<&str> {
    rst.reason.as_deref().filter(|reason| *reason != "NOT_SPECIFIED")
}

/// The state was set before the reset was sent: by `__tcp_close`, or by `tcp_disconnect` under one of its callers.
/// A file whose last reference is gone is in `__tcp_close`, one that is referred to in connect(), and a socket that
/// never had one waited for accept(). The kernel's order: unread data is looked at before SO_LINGER; the socket is
/// orphaned after both, and before TCP_LINGER2 and the limits of memory are looked at.
fn closed(rst: &ConnectionAborted) -> Mechanism {
    let socket = &rst.socket;
    match (socket.owned, socket.dead, rst.file) {
        (false, false, _) => Mechanism::NeverAccepted,
        (true, false, SocketFile::Open) => Mechanism::Disconnected,
        (true, false, SocketFile::Released) => being_closed(rst),
        (false, true, SocketFile::None) => orphaned_by_close(rst),
        _ => Mechanism::OtherAbort,
    }
}

/// Where the kernel has words, it has one for unread data.
fn being_closed(rst: &ConnectionAborted) -> Mechanism {
    if rst.unread_bytes() > 0 && word(rst).is_none() {
        Mechanism::CloseWithUnreadData
    } else if rst.socket.linger_zero {
        Mechanism::CloseWithLingerZero
    } else {
        Mechanism::OtherAbort
    }
}

/// TCP_LINGER2 is looked at in FIN_WAIT2 only, when the FIN and all data before it are acknowledged; and ahead of the
/// limits. Both have a word of their own where there are words.
fn orphaned_by_close(rst: &ConnectionAborted) -> Mechanism {
    match (word(rst), rst.linger2_negative && !rst.unacknowledged) {
        (None, true) => Mechanism::CloseWithNegativeLinger2,
        (None, false) => Mechanism::OutOfMemory,
        _ => Mechanism::OtherAbort,
    }
}

/// Of those that find the socket in its own state only `tcp_abort` takes its lock. One other may run under a lock that
/// it did not take: 6.8 and later let a late timer of an orphan with data run as the lock is given back
/// (`tcp_release_cb`), which only a word tells from `tcp_abort`.
fn locked(rst: &ConnectionAborted) -> Mechanism {
    if rst.socket.dead && rst.unacknowledged && word(rst).is_none() {
        return Mechanism::OtherAbort;
    }
    Mechanism::Destroyed
}

/// Timers (net/ipv4/tcp_timer.c). The one of keepalive takes orphans in FIN_WAIT2 first, and sends probes only while
/// nothing is unacknowledged; `tcp_out_of_resources` takes orphans with something to send.
fn timed_out(rst: &ConnectionAborted) -> Mechanism {
    let socket = &rst.socket;
    let probed = socket.keepalive && rst.probes > 0;
    match (word(rst), socket.dead, rst.unacknowledged) {
        (_, true, false) if socket.state == TcpState::FinWait2 => Mechanism::FinWait2Timeout,
        (None, _, false) if probed => Mechanism::KeepaliveTimeout,
        (None, true, true) => Mechanism::OutOfMemory,
        _ => Mechanism::OtherAbort,
    }
}

/// From 7.0 on a connection made from a SYN cookie that refuses its own last ACK is answered for by the listener; what
/// reaches the listener itself is TCP_FLAGS (net/ipv4/tcp_ipv4.c, `tcp_v4_do_rcv`; tcp_input.c,
/// `tcp_rcv_state_process`).
fn child_refused(rst: &RstSent) -> bool {
    let reason = rst.reason.as_deref();
    matches!(reason, Some("TCP_OLD_ACK" | "TCP_TOO_OLD_ACK" | "TCP_ACK_UNSENT_DATA"))
}
