//! The accept queue was full when the handshake should have been completed.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{AcceptQueue, Endpoint, Owner, Time};
use crate::explain::case::{Case, Overflow};
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// The application did not accept() fast enough; the kernel threw the last ACK of the handshake away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AcceptQueueOverflow {
    pub listener: Endpoint,
    pub owner: Option<Owner>,
    /// At the drop.
    pub queue: AcceptQueue,
    pub limited_by: LimitedBy,
    pub answer: Answer,
    /// ACKs of this handshake that were dropped.
    pub drops: u32,
    /// Seconds before the reset.
    pub first_drop_ago_s: f64,
    pub last_drop_ago_s: f64,
    #[serde(skip)]
    last_drop: Time,
}

/// How the kernel told the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// At once, since `tcp_abort_on_overflow` is 1.
    AtOnce,
    /// Not at all: the client thought itself connected, and its data met the listener later.
    Late,
}

/// Which of the two knobs sets the limit: it is `min(backlog, somaxconn)` at listen() (net/socket.c, `__sys_listen`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "knob")]
pub enum LimitedBy {
    /// The application asked for less than `somaxconn` allows.
    Backlog { somaxconn: u32 },
    /// The application asked for at least as much.
    Somaxconn { somaxconn: u32 },
    /// `somaxconn` of that namespace is not known, or was changed after listen().
    Unknown,
}

impl Explains for AcceptQueueOverflow {
    const CODE: &'static str = "accept-queue-overflow";
    const MEANING: &'static str = "the accept queue was full when the handshake completed";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "A listener keeps connections that are complete, and not yet accept()ed, in a queue of at most \
            min(backlog, net.core.somaxconn) + 1. The last ACK of one more handshake found it full. With \
            net.ipv4.tcp_abort_on_overflow = 1 the kernel answers that ACK with a RST. With 0, the default, it \
            throws the ACK away: the client thinks it is connected, and is reset (ECONNRESET) when what it sends \
            meets the listener after the handshake was given up. A queue that is already full when the SYN comes \
            makes no reset: the SYN is dropped, and the client waits until it times out.",
        shown_by: "the last ACK of this very handshake dropped at a full queue, with the queue's length and limit",
        conditions: &[
            "The segment that was answered met a listener.",
            "The last ACK of this handshake found the accept queue full: either it is the packet that was \
                answered, or it was dropped earlier, while the segment acknowledges nothing but the handshake and \
                the connection was not aborted since.",
        ],
        certainty: "observed",
        alike: &[
            (
                "server-restarted",
                "data meets a listener that knows nothing of the connection there too, but the listener is \
                    younger than the connection, and no ACK was dropped",
            ),
            (
                "syn-cookie-failed",
                "an ACK without data meets a listener while SYN cookies are in use, and no ACK of this handshake \
                    was dropped at a full queue",
            ),
            (
                "listener-closed-with-queue",
                "the connection had reached the queue, and the listener closed before it was accepted",
            ),
        ],
        advice: Advice {
            now: "take load off this instance; see why it does not accept(): CPU limit, blocked loop",
            fix: "accept faster; then raise the listen() backlog and net.core.somaxconn in the namespace of the \
                listener, and restart it: the limit is taken at listen()",
            trade_off: "a longer queue hides a slow server: connections wait in it until the client gives up",
            do_not: "raise somaxconn alone; set tcp_abort_on_overflow = 1; trust TCPBacklogDrop",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: Some("overflow"),
            scenario: "overflow::with_abort_on_overflow_the_client_is_reset_at_once",
        },
    };

    /// The accept queue caused the reset when
    /// 1. the segment met a listener, and
    /// 2. the last ACK of this handshake found its queue full: either
    ///    a. the answered packet is that very ACK, or
    ///    b. that ACK was dropped earlier, this segment still acknowledges nothing but the handshake (so the server
    ///    never sent a byte), and the connection was not aborted since (so it never came to be).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        match case.mechanism() {
            Mechanism::HandshakeRefused => at_once(case),
            Mechanism::AckToListener => late(case),
            _ => None,
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let held = Evidence::new("listener", format!("{}{}", self.listener, held_by(self.owner.as_ref())));
        let queue = format!("{} FULL, {}", self.queue, self.limited_by);
        let drop = match self.answer {
            Answer::AtOnce => Evidence::new("tcp", "the last ACK of the handshake was answered with a RST (tcp_abort_on_overflow = 1)"),
            Answer::Late => Evidence::at("tcp", self.last_drop, format!("last ACK of the handshake dropped {}×; the client thinks it is connected", self.drops)),
        };
        vec![drop, Evidence::new("queue", queue), held]
    }

    fn remedy(&self) -> Remedy {
        Remedy { fix: self.fix(), ..Self::PAGE.advice.into() }
    }
}

impl AcceptQueueOverflow {
    fn fix(&self) -> String {
        let limit = self.queue.limit;
        match self.limited_by {
            LimitedBy::Backlog { somaxconn } => format!(
                "accept faster; then raise the listen() backlog (now {limit}, allowed {somaxconn}), restart"
            ),
            LimitedBy::Somaxconn { somaxconn } => format!(
                "accept faster; then raise net.core.somaxconn here (now {somaxconn}) and the backlog, restart"
            ),
            LimitedBy::Unknown => format!(
                "accept faster; then raise backlog and net.core.somaxconn (limit now {limit}), restart"
            ),
        }
    }
}

impl fmt::Display for AcceptQueueOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.answer {
            Answer::AtOnce => "refused",
            Answer::Late => "dropped, and the client's data met a listener",
        };
        write!(f, "the accept queue of {} was full ({}); the last ACK was {when}", self.listener, self.queue)
    }
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backlog { somaxconn } => write!(f, "limited by the application's backlog (somaxconn {somaxconn})"),
            Self::Somaxconn { somaxconn } => write!(f, "limited by net.core.somaxconn = {somaxconn} of this namespace"),
            Self::Unknown => f.write_str("limited by backlog or somaxconn (not known which)"),
        }
    }
}

/// 2a. Without a hook for the drop, the queue at the moment of the reset says the same: the request path answers an
/// ACK only when the listener could not take it, and a full queue is the first thing it tests.
fn at_once(case: &Case<'_>) -> Option<(Certainty, AcceptQueueOverflow)> {
    let overflow = case.overflow_of_packet().yes();
    let queue = overflow.and_then(|overflow| overflow.queue).or(case.queue()).filter(|queue| queue.is_full())?;
    let certainty = if overflow.is_some() { Certainty::Observed } else { Certainty::Inferred };
    let now = Overflowed { first: case.time(), last: case.time(), drops: 1, queue };
    Some((certainty, describe(case, Answer::AtOnce, &now)))
}

/// 2b.
fn late(case: &Case<'_>) -> Option<(Certainty, AcceptQueueOverflow)> {
    let overflow = case.overflow_of_connection().yes()?;
    let unanswered = case.reply()?.segment.ack == overflow.ack;
    let aborted = case.aborted_before().yes().is_some_and(|abort| abort.time > overflow.last);
    let drops = Overflowed::of(overflow, case.queue())?;
    (unanswered && !aborted).then(|| (Certainty::Observed, describe(case, Answer::Late, &drops)))
}

/// The drops one handshake suffered.
struct Overflowed {
    first: Time,
    last: Time,
    drops: u32,
    queue: AcceptQueue,
}

impl Overflowed {
    fn of(overflow: &Overflow, at_reset: Option<AcceptQueue>) -> Option<Self> {
        let queue = overflow.queue.or(at_reset)?;
        Some(Self { first: overflow.first, last: overflow.last, drops: overflow.drops, queue })
    }
}

fn describe(case: &Case<'_>, answer: Answer, drops: &Overflowed) -> AcceptQueueOverflow {
    let known = case.listener().yes();
    AcceptQueueOverflow {
        listener: known.map_or(case.flow().local, |known| known.listener.local),
        owner: known.and_then(|known| known.owner.clone()),
        queue: drops.queue,
        limited_by: limited_by(case, drops.queue.limit),
        answer,
        drops: drops.drops,
        first_drop_ago_s: case.time().since(drops.first).as_secs_f64(),
        last_drop_ago_s: case.time().since(drops.last).as_secs_f64(),
        last_drop: drops.last,
    }
}

fn limited_by(case: &Case<'_>, limit: u32) -> LimitedBy {
    let somaxconn = case.sysctl("net.core.somaxconn").and_then(|value| value.parse::<u32>().ok());
    match somaxconn {
        Some(somaxconn) if limit < somaxconn => LimitedBy::Backlog { somaxconn },
        Some(somaxconn) if limit == somaxconn => LimitedBy::Somaxconn { somaxconn },
        _ => LimitedBy::Unknown,
    }
}

fn held_by(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!(" held by {owner}"))
}

#[cfg(test)]
mod tests {
    use crate::event::Fact;
    use crate::explain::story::Story;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80")
    }

    #[test]
    fn a_full_queue_that_answers_at_once_is_observed() {
        let story = served().overflows(SERVER, CLIENT, 5).refuses_the_same_packet(SERVER, CLIENT, 5);
        assert_eq!(
            story.said(),
            "accept-queue-overflow observed: the accept queue of 0.0.0.0:80 was full (5/4); \
             the last ACK was refused"
        );
    }

    #[test]
    fn data_after_a_dropped_ack_is_the_late_form() {
        let story = served().overflows(SERVER, CLIENT, 5).after(40_000).data_meets_listener(SERVER, CLIENT, 5);
        assert_eq!(
            story.said(),
            "accept-queue-overflow observed: the accept queue of 0.0.0.0:80 was full (5/4); \
             the last ACK was dropped, and the client's data met a listener"
        );
    }

    #[test]
    fn a_connection_that_got_further_is_not_blamed_on_its_overflow() {
        let story = served().overflows(SERVER, CLIENT, 5).after(40_000).data_meets_listener(SERVER, CLIENT, 900);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn a_connection_that_was_accepted_and_aborted_is_not_blamed_on_its_overflow() {
        let story = served().overflows(SERVER, CLIENT, 5).after(500).aborts(SERVER, CLIENT).after(500);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "peer-wrote-after-close");
    }

    #[test]
    fn the_overflow_of_another_client_is_no_evidence() {
        let story = served().overflows(SERVER, "10.0.0.9:40001", 5).after(5).data_meets_listener(SERVER, CLIENT, 5);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn an_overflow_of_the_same_addresses_elsewhere_is_no_evidence() {
        let story = served().within(2).overflows(SERVER, CLIENT, 5).within(1).after(5);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn an_overflow_of_long_ago_is_another_connection() {
        let story = served().overflows(SERVER, CLIENT, 5).after(200_000).data_meets_listener(SERVER, CLIENT, 5);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn who_cannot_see_overflows_says_so() {
        let story = Story::blind_to(&[Fact::AcceptQueueOverflowed]).finds("0.0.0.0:80");
        let said = story.data_meets_listener(SERVER, CLIENT, 5).said();
        assert!(said.starts_with("unexplained: accept-queue overflows: not to be seen here"), "{said}");
    }
}
