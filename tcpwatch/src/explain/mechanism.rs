//! How the kernel came to send the RST: a closed set, known at once from hook, arguments and state.

use std::fmt;

use serde::Serialize;

use crate::event::{ConnectionAborted, RstSent, SocketKind, TcpState};

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
    /// A listener was closed with connections waiting to be accepted (inet_child_forget).
    NeverAccepted,
    /// Keepalive probes or the user timeout ran out (tcp_keepalive_timer).
    KeepaliveTimeout,
    /// Memory or orphan limits (tcp_out_of_resources, tcp_check_oom).
    OutOfMemory,
    /// Any other reset of its own accord: disconnect(), `ss -K`, linger2, MPTCP.
    OtherAbort,
    /// A firewall rule refused a packet with a RST (nf_send_reset).
    Rejected,
    /// A RST arrived and was accepted (tcp_reset).
    FromPeer,
}

impl Mechanism {
    /// How a reply came about; `overflowed` when the answered packet itself found the accept queue full.
    pub fn of_reply(rst: &RstSent, overflowed: bool) -> Self {
        let Some(socket) = &rst.socket else { return no_socket(rst) };
        if socket.kind == SocketKind::TimeWait {
            return Self::SegmentToTimeWait;
        }
        match socket.state {
            TcpState::Listen => met_listener(rst, overflowed),
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

    /// How a reset of our own accord came about. Order matters: unread data is checked first by the kernel too
    /// (net/ipv4/tcp.c, `__tcp_close`).
    pub fn of_abort(rst: &ConnectionAborted) -> Self {
        match rst.reason.as_deref() {
            Some("TCP_ABORT_ON_CLOSE") => return Self::CloseWithUnreadData,
            Some("TCP_KEEPALIVE_TIMEOUT") => return Self::KeepaliveTimeout,
            Some("TCP_ABORT_ON_MEMORY") => return Self::OutOfMemory,
            _ => {}
        }
        let socket = &rst.socket;
        let closing = socket.state == TcpState::Close;
        match (closing, socket.owned, socket.dead) {
            (true, false, false) => Self::NeverAccepted,
            (true, true, false) if rst.unread > 0 && rst.reason.is_none() => {
                Self::CloseWithUnreadData
            }
            (true, true, false) if socket.linger_zero => Self::CloseWithLingerZero,
            (false, _, false) if rst.reason.is_none() && rst.probes > 0 && socket.keepalive => {
                Self::KeepaliveTimeout
            }
            _ => Self::OtherAbort,
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
            Self::NeverAccepted => "never-accepted",
            Self::KeepaliveTimeout => "keepalive-timeout",
            Self::OutOfMemory => "out-of-memory",
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
            Self::NeverAccepted => "the connection was never accepted",
            Self::KeepaliveTimeout => "keepalive probes went unanswered",
            Self::OutOfMemory => "TCP memory or orphan limits were reached",
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
fn met_listener(rst: &RstSent, overflowed: bool) -> Mechanism {
    let refused = overflowed || rst.reason.as_deref() == Some("INVALID_SYN");
    let flags = rst.segment.flags;
    match (flags.syn() && (!flags.ack() || refused), refused) {
        (true, _) => Mechanism::SynDuringHandshake,
        (false, true) => Mechanism::HandshakeRefused,
        (false, false) => Mechanism::AckToListener,
    }
}
