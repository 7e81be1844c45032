//! A RST that no TCP of this host sent: what did it meet?
//!
//! Why it was sent is known where it was sent. What can be told here is what the connection was doing.

use std::time::Duration;

use serde::Serialize;

use super::case::Case;
use super::timers::IDLE;
use super::verdict::{Certainty, Evidence};
use crate::event::{Acknowledged, Conversation, RstReceived, SocketKind, TcpState};

/// Where a rule of this very host may have sent the reset unseen, in the peer's name, nothing about the peer is sure.
pub fn at_best(case: &Case<'_>, certainty: Certainty) -> Certainty {
    if case.may_be_by_rule() { certainty.min(Certainty::Inferred) } else { certainty }
}

/// The doubt that makes it so, as evidence.
pub fn doubt(rules_are_seen: bool) -> Option<Evidence> {
    let text = "a firewall rule of this host may have sent it: here those are not seen";
    (!rules_are_seen).then(|| Evidence::new("netfilter", text))
}

/// What a reset from elsewhere met. One of these holds, and each belongs to one cause, or to two that differ in one
/// measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Met {
    /// It came another way than the data of its peer: hop counts of both.
    AnotherPath { rst: u8, data: u8 },
    /// Our own attempt to connect.
    Attempt,
    /// A handshake with a listener here.
    Handshake,
    /// A young connection to a server here, on which the peer had not said anything.
    SilentPeer { age: Duration },
    /// A connection that the peer had ended in order, while something of ours was not acknowledged.
    WriteAfterEnd(WriteAfterEnd),
    /// Any other connection.
    Connection,
}

/// This host wrote to a peer that had ended its side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WriteAfterEnd {
    /// Since the peer's end, or its latest acknowledgement after that.
    pub ended_ago: Duration,
    /// Since this host wrote.
    pub written_ago: Duration,
    /// How long the peer had sent no data when it ended; only where data had gone both ways, and the peer is the
    /// server: a client may end its side first and wait for an answer.
    pub idle: Option<Duration>,
    /// Sequence numbers not acknowledged.
    pub unacknowledged: u32,
    pub form: Form,
}

/// What the RST itself looked like (RFC 9293, 3.10.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// It answered a segment of this host: no acknowledgement.
    Answer,
    /// It was sent of the peer's own accord: it acknowledges.
    OwnAccord,
    /// No packet was seen.
    Unseen,
}

impl Met {
    /// `None`: the reset may have come from this host.
    pub fn of(case: &Case<'_>) -> Option<Self> {
        let rst = case.received().filter(|_| !case.may_be_from_here())?;
        Some(another_path(rst).unwrap_or_else(|| by_socket(case, rst)))
    }
}

impl WriteAfterEnd {
    /// The connection had been kept alive between two requests.
    pub fn was_idle(&self) -> bool {
        self.idle.is_some_and(|idle| idle >= IDLE)
    }

    /// Only a packet that answers ours shows that ours was refused; without one the peer may as well have given up by
    /// itself meanwhile.
    pub fn certainty(&self) -> Certainty {
        if self.form == Form::Answer { Certainty::Observed } else { Certainty::Inferred }
    }
}

impl Form {
    pub fn of(rst: &RstReceived) -> Self {
        match rst.ack {
            Acknowledged::Unseen => Self::Unseen,
            Acknowledged::Nothing => Self::Answer,
            Acknowledged::Number(_) => Self::OwnAccord,
        }
    }

    /// What it shows, if a packet was seen.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Answer => Some("it answers a segment of this host: it acknowledges nothing"),
            Self::OwnAccord => Some("it was sent of the peer's own accord: it acknowledges"),
            Self::Unseen => None,
        }
    }
}

fn another_path(rst: &RstReceived) -> Option<Met> {
    let (rst, data) = (rst.ttl?, rst.data_ttl?);
    (rst != data).then_some(Met::AnotherPath { rst, data })
}

fn by_socket(case: &Case<'_>, rst: &RstReceived) -> Met {
    let met = match (rst.socket.kind, rst.socket.state) {
        (SocketKind::Request, _) => Some(Met::Handshake),
        (_, TcpState::SynSent) => Some(Met::Attempt),
        (_, TcpState::Established) => silent_peer(case, rst),
        (_, TcpState::CloseWait) => write_after_end(case, rst),
        _ => None,
    };
    met.unwrap_or(Met::Connection)
}

/// Made by the peer: it waits to be accepted, or reached a port on which somebody listens.
fn silent_peer(case: &Case<'_>, rst: &RstReceived) -> Option<Met> {
    let talk = rst.conversation.as_ref().filter(|talk| talk.received == 0)?;
    let waits = !rst.socket.owned && !rst.socket.dead;
    let serves = waits || case.listener().yes().is_some();
    let age = talk.received_ago;
    (serves && age <= BRIEF).then_some(Met::SilentPeer { age })
}

fn write_after_end(case: &Case<'_>, rst: &RstReceived) -> Option<Met> {
    let talk = rst.conversation.as_ref().filter(|talk| talk.unacknowledged() > 0)?;
    Some(Met::WriteAfterEnd(WriteAfterEnd {
        ended_ago: talk.heard_ago,
        written_ago: talk.sent_ago,
        idle: idle_before_end(case, talk),
        unacknowledged: talk.unacknowledged(),
        form: Form::of(rst),
    }))
}

fn idle_before_end(case: &Case<'_>, talk: &Conversation) -> Option<Duration> {
    let spoke_before = talk.received > 0 && talk.sent > talk.unacknowledged();
    let is_client = case.listener().is_no();
    (spoke_before && is_client).then(|| talk.received_ago.saturating_sub(talk.heard_ago))
}

/// Who waits longer before it goes, without a word, had something to wait for.
const BRIEF: Duration = Duration::from_secs(2);
