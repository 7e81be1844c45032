//! What a line comes to: the symptom, the error number, and who may have caused it.

use crate::explain::verdict::{Errno, Symptom};

/// What happened to the connection, as far as the words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection that was in use was reset.
    Reset,
    /// It was reset before anything was said on it: at the end of connect(), or in a TLS handshake.
    ResetAtStart,
    /// The client of a server or proxy reset it.
    ResetByClient,
    /// A write to a connection that was over.
    BrokenPipe,
    /// It ended; by a FIN or a RST, the words do not tell.
    Ended,
    /// It ended in order, and too early.
    ClosedEarly,
    /// The client of a server or proxy went away.
    ClientLeft,
    /// It was given up on this host; by the program itself or by somebody else, the words do not tell.
    Aborted,
    Refused,
    /// The ends did not agree on TLS; TCP was in order.
    HandshakeFailed,
    /// So did every further attempt of a proxy; how, the words do not tell.
    RetriesFailed,
    /// It did not come about; why, the words do not tell.
    NotConnected,
    /// Nobody answered the attempt to connect.
    DialTimedOut,
    /// The kernel gave up on a peer that did not answer any more.
    PeerSilent,
    /// One of these two: the words do not tell which.
    TimedOut,
    /// A timer of the application ran out, and there was no connection yet.
    ConnectTooLong,
    /// A timer of the application ran out.
    TookTooLong,
    NoRoute,
    /// No connection was tried.
    NotTried,
    /// This host had no free source port.
    NoPort,
    /// The program had closed it itself.
    ClosedHere,
    /// It is no TCP connection at all.
    NoTcp,
    /// A stream within a connection was reset, not the connection.
    StreamReset,
}

impl Kind {
    /// `None`: the words are about no failure of a connection, or do not tell of which kind.
    pub fn symptom(self) -> Option<Symptom> {
        match self {
            Self::Reset | Self::ResetAtStart | Self::ResetByClient | Self::BrokenPipe => {
                Some(Symptom::Reset)
            }
            Self::Refused | Self::NotConnected => Some(Symptom::Refused),
            Self::DialTimedOut
            | Self::PeerSilent
            | Self::TimedOut
            | Self::ConnectTooLong
            | Self::TookTooLong => Some(Symptom::TimedOut),
            Self::NoRoute => Some(Symptom::NoRoute),
            Self::Ended | Self::ClosedEarly | Self::ClientLeft => Some(Symptom::ClosedEarly),
            Self::Aborted
            | Self::HandshakeFailed
            | Self::RetriesFailed
            | Self::NotTried
            | Self::NoPort
            | Self::ClosedHere
            | Self::NoTcp
            | Self::StreamReset => None,
        }
    }

    /// What the kernel told the application, where it told it anything.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Self::Reset | Self::ResetAtStart | Self::ResetByClient => Some(Errno::ECONNRESET),
            Self::BrokenPipe => Some(Errno::EPIPE),
            Self::Refused => Some(Errno::ECONNREFUSED),
            Self::DialTimedOut | Self::PeerSilent | Self::TimedOut => Some(Errno::ETIMEDOUT),
            Self::NoRoute => Some(Errno::EHOSTUNREACH),
            _ => None,
        }
    }

    /// What it means, in a sentence or two.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Reset => {
                "A RST came for a connection in use. Who sent it knows why: the other end, its kernel, or a device between."
            }
            Self::ResetAtStart => {
                "A RST came when the connection was complete for the kernel, and before the other end had said anything."
            }
            Self::ResetByClient => {
                "The client's end reset the connection: the client closed it, died, or a device between spoke for it."
            }
            Self::BrokenPipe => {
                "The program wrote to a connection that was over: the peer had closed it and refused what came after, or a RST had come before."
            }
            Self::Ended => {
                "The other end ended the connection while an answer was awaited. Whether by a FIN or a RST, these words do not tell."
            }
            Self::ClosedEarly => {
                "The other end closed the connection in order (a FIN), and too early. That takes no RST; one follows when something is written after the end, and then it tells why."
            }
            Self::ClientLeft => {
                "The client closed the connection before it had its answer. That takes no RST; one follows when it is written to all the same."
            }
            Self::Aborted => {
                "The connection was given up on this host: by the program itself (axios says so when its own timer ran out, which takes no RST), or somebody who does not own the socket destroyed it, and the other end got a RST."
            }
            Self::Refused => {
                "The attempt to connect was answered with a RST, or with an ICMP message (a service without endpoints, a REJECT rule), which takes no RST and is not shown by tcpwatch."
            }
            Self::HandshakeFailed => {
                "The TLS handshake failed: the ends did not agree, on a certificate or on the version mostly. The TCP connection was in order, so no RST is involved."
            }
            Self::RetriesFailed => {
                "Every retry failed. How, the other flags or the details of the attempts tell, or the lines of the attempts; an answer that is worth a retry, such as a 503, counts too, and takes no RST."
            }
            Self::NotConnected => {
                "The connection did not come about. Mostly it was refused, which tcpwatch shows; it may also have been out of reach, which takes no RST."
            }
            Self::DialTimedOut => {
                "Nobody answered the attempt to connect: the SYN was dropped. No RST is involved. Look for a full accept queue (nstat -az TcpExtListenOverflows), a full conntrack table, filters that drop, and a host that is gone."
            }
            Self::PeerSilent => {
                "The other end did not answer any more. No RST came; where TCP keepalive gave up, this host sent one."
            }
            Self::TimedOut => {
                "Nobody answered: the attempt to connect (its SYN was dropped), or what was sent later. No RST came; where TCP keepalive gave up, this host sent one."
            }
            Self::ConnectTooLong => {
                "A timer of the application ran out before there was a connection. Mostly nobody answered, because the SYN was dropped, and no RST is involved. Look for a full accept queue (nstat -az TcpExtListenOverflows), a full conntrack table, filters that drop, and a host that is gone or far."
            }
            Self::TookTooLong => {
                "A timer of the application ran out before an answer came. No RST is involved; the connection may be in good order."
            }
            Self::NoRoute => {
                "The way to the host is closed: an ICMP message (unreachable, prohibited by a filter), an address nobody answers for, or a route that says so. No RST is involved."
            }
            Self::NotTried => {
                "No connection was tried: this follows from something else. Look at the lines before."
            }
            Self::NoPort => {
                "This host had no free source port left towards that address: no packet left it. See ss -tan and net.ipv4.ip_local_port_range; connections that are kept and used again need fewer."
            }
            Self::ClosedHere => {
                "The program used a connection that it had closed itself: a matter of the program. No RST need be involved."
            }
            Self::NoTcp => {
                "A unix socket, a pipe or UDP. It fails with the same words, but it is no TCP connection, so no RST is involved."
            }
            Self::StreamReset => {
                "A stream within a connection was reset (an HTTP/2 frame), or given up by the proxy itself. The TCP connection was not, so no RST is involved."
            }
        }
    }

    /// Codes of causes, what is met most often first: an order of experience, no measurement. Empty: none that
    /// `tcpwatch rst` shows.
    pub fn candidates(self) -> &'static [&'static str] {
        match self {
            Self::Reset | Self::Ended => IN_USE,
            Self::ResetAtStart => AT_START,
            Self::ResetByClient => BY_CLIENT,
            Self::BrokenPipe => AFTER_THE_END,
            Self::ClosedEarly => EARLY,
            Self::ClientLeft => &["peer-wrote-after-close", "wrote-after-peer-close"],
            Self::Aborted => &["admin-destroyed"],
            Self::Refused | Self::NotConnected => REFUSED,
            Self::RetriesFailed => RETRIED,
            Self::PeerSilent | Self::TimedOut => &["keepalive-timeout"],
            Self::DialTimedOut
            | Self::HandshakeFailed
            | Self::ConnectTooLong
            | Self::TookTooLong
            | Self::NoRoute
            | Self::NotTried
            | Self::NoPort
            | Self::ClosedHere
            | Self::NoTcp
            | Self::StreamReset => &[],
        }
    }
}

const IN_USE: &[&str] = &[
    "keep-alive-race",
    "closed-with-unread-data",
    "process-killed",
    "server-restarted",
    "conntrack-expired",
    "conntrack-flushed",
    "pod-ip-reuse",
    "conntrack-invalid",
    "peer-wrote-after-close",
    "accept-queue-overflow",
    "linger-zero",
    "rejected-by-rule",
    "conntrack-evicted",
    "peer-reset",
    "middlebox-suspected",
];

const AT_START: &[&str] = &[
    "accept-queue-overflow",
    "listener-closed-with-queue",
    "closed-with-unread-data",
    "process-killed",
    "linger-zero",
    "rejected-by-rule",
    "peer-reset",
    "middlebox-suspected",
];

const BY_CLIENT: &[&str] = &[
    "peer-reset",
    "probe",
    "closed-with-unread-data",
    "linger-zero",
    "process-killed",
    "peer-wrote-after-close",
    "middlebox-suspected",
];

const AFTER_THE_END: &[&str] = &[
    "wrote-after-peer-close",
    "keep-alive-race",
    "peer-wrote-after-close",
    "closed-with-unread-data",
    "process-killed",
    "peer-reset",
];

const EARLY: &[&str] = &[
    "keep-alive-race",
    "peer-wrote-after-close",
    "wrote-after-peer-close",
    "server-restarted",
    "process-killed",
];

const RETRIED: &[&str] = &[
    "no-listener",
    "listener-closed",
    "server-restarted",
    "process-killed",
    "keep-alive-race",
    "accept-queue-overflow",
    "rejected-by-rule",
    "peer-refused",
    "peer-reset",
];

const REFUSED: &[&str] = &[
    "no-listener",
    "listener-closed",
    "not-yet-listening",
    "rejected-by-rule",
    "peer-refused",
    "port-reuse",
];
