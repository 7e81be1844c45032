//! Did a segment come for a connection that this host had ended before?
//!
//! Nothing watches healthy connections end. What is known of an end is what its remains still tell when a late segment
//! meets them, and what this host itself said about it by a RST shortly before.

use std::time::Duration;

use serde::Serialize;

use super::case::Case;
use super::mechanism::Mechanism;
use super::timers::IDLE;
use crate::event::{RstSent, SocketKind, TcpState, Time};

/// A segment that came too late, and what it met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LateSegment {
    pub ended: Ended,
    /// Since the end: since the peer acknowledged it, or since the RST.
    pub ended_ago: Option<Duration>,
    /// The peer's kernel had acknowledged the end before it sent the segment: they did not cross on the way.
    pub peer_knew: bool,
    /// How long nothing had been said when the connection was closed; only where data had gone both ways before.
    pub idle: Option<Duration>,
    /// Bytes of data it brought.
    pub bytes: u32,
}

/// How the local end had ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// close(), or the end of the process: nobody holds the socket any more.
    Closed,
    /// shutdown() of both directions; the application still holds the socket.
    Shutdown,
    /// A RST of its own accord.
    Aborted,
    /// It had been closed, and an earlier segment was refused for it.
    Refused,
}

impl LateSegment {
    /// A segment was late when
    /// 1. it brought data or an end to the remains of a connection that this host had closed first, in order; or
    /// 2. it continues a connection, of which nothing remains, that this host had ended by a RST while we watched.
    pub fn of(case: &Case<'_>) -> Option<Self> {
        let rst = case.reply()?;
        match case.mechanism() {
            Mechanism::SegmentToTimeWait => to_remains(case, rst),
            Mechanism::DataAfterClose => to_closed_socket(rst),
            Mechanism::SegmentToNoSocket | Mechanism::AckToListener => to_nobody(case, rst),
            _ => None,
        }
    }

    /// The connection was closed in order.
    pub fn in_order(&self) -> bool {
        matches!(self.ended, Ended::Closed | Ended::Shutdown)
    }

    /// It had been kept alive between two requests.
    pub fn was_idle(&self) -> bool {
        self.idle.is_some_and(|idle| idle >= IDLE)
    }
}

/// A TIME_WAIT socket whose peer has not ended yet. Its FIN was acknowledged, and of the conversation it knows nothing:
/// that only the other end tells, if it is on this host.
fn to_remains(case: &Case<'_>, rst: &RstSent) -> Option<LateSegment> {
    let waits = rst.socket?.substate == Some(TcpState::FinWait2);
    let speaks = !rst.segment.flags.syn() && (rst.segment.payload > 0 || rst.segment.flags.fin());
    (waits && speaks).then(|| LateSegment {
        ended: Ended::Closed,
        ended_ago: rst.ended_ago,
        peer_knew: true,
        idle: idle_at_writer(case, rst),
        bytes: rst.segment.payload,
    })
}

/// The writer heard the end, and had heard nothing else for some time; what it had said meanwhile, it does not know.
fn idle_at_writer(case: &Case<'_>, rst: &RstSent) -> Option<Duration> {
    let talk = case.receiver()?.conversation.as_ref()?;
    let spoke_before = talk.received > 0 && talk.sent > rst.segment.payload;
    spoke_before.then(|| talk.received_ago.saturating_sub(talk.heard_ago))
}

/// A full socket that takes no more data (net/ipv4/tcp_input.c, `tcp_rcv_state_process`, TCPAbortOnData). A segment
/// without any is refused there too if TCP_LINGER2 is negative; data behind the peer's own FIN is a broken peer.
fn to_closed_socket(rst: &RstSent) -> Option<LateSegment> {
    let socket =
        rst.socket.filter(|socket| socket.kind == SocketKind::Full && !socket.peer_ended)?;
    let speaks = rst.segment.payload > 0 || rst.segment.flags.fin();
    let talk = rst.conversation.as_deref();
    // What was sent last is the FIN, and once: else it is not known when the connection was closed.
    let closed = talk.filter(|talk| talk.went_both_ways() && rst.retransmits == 0);
    speaks.then(|| LateSegment {
        ended: if socket.dead { Ended::Closed } else { Ended::Shutdown },
        ended_ago: None,
        peer_knew: talk.is_some_and(|talk| talk.snd_nxt == rst.segment.ack),
        idle: closed.map(|talk| talk.idle().saturating_sub(talk.transmitted_ago)),
        bytes: rst.segment.payload,
    })
}

/// Where several segments are under way, the first is told that all is over, and removes what was left.
fn to_nobody(case: &Case<'_>, rst: &RstSent) -> Option<LateSegment> {
    let refused = case.ended_before().map(|ending| (Ended::Refused, ending.at, ending.seq));
    let aborted = case.aborted_before().yes().map(|abort| (Ended::Aborted, abort.time, abort.seq));
    let latest = [refused, aborted].into_iter().flatten().max_by_key(|(_, at, _)| *at);
    let (ended, at, _) = latest.filter(|(_, at, seq)| continues(case, rst, *at, *seq))?;
    Some(LateSegment {
        ended,
        ended_ago: Some(case.time().since(at)),
        peer_knew: false,
        idle: None,
        bytes: rst.segment.payload,
    })
}

/// The same connection, not another one between the same ports: it acknowledges what that one had sent. A listener must
/// have been there all the time, or a restart explains more.
fn continues(case: &Case<'_>, rst: &RstSent, ended: Time, seq: u32) -> bool {
    let near = rst.segment.ack.wrapping_sub(seq).min(seq.wrapping_sub(rst.segment.ack)) < WINDOW;
    let fits = rst.segment.flags.ack() && near && case.time().since(ended) <= RETRIES;
    let met_listener = case.mechanism() == Mechanism::AckToListener;
    fits && (!met_listener || listened_since(case, ended))
}

fn listened_since(case: &Case<'_>, ended: Time) -> bool {
    let known = case.listener().yes();
    case.knows_listeners_since(ended)
        && known.is_some_and(|known| known.found || known.since <= ended)
}

/// What is under way at once seldom is more. Another connection's numbers come as near once in thousands of cases.
const WINDOW: u32 = 1 << 20;

/// A peer repeats what is not acknowledged for that long (`tcp_retries2` 15).
const RETRIES: Duration = Duration::from_mins(16);
