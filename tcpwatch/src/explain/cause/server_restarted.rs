//! The server was restarted under a living connection; its successor knows nothing of it.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner, Time};
use crate::explain::case::{Case, KnownListener, Seen};
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// A connection of the old process speaks to the new one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerRestarted {
    pub listener: Endpoint,
    pub owner: Option<Owner>,
    /// Seconds before the reset.
    pub old_closed_ago_s: f64,
    pub new_opened_ago_s: f64,
    /// This host was seen to abort this very connection before.
    pub abort_seen: bool,
    #[serde(skip)]
    old_closed: Time,
    #[serde(skip)]
    new_opened: Time,
}

impl Explains for ServerRestarted {
    const CODE: &'static str = "server-restarted";
    const MEANING: &'static str = "the listener is younger than the connection: the server was restarted";

    const PAGE: Page = Page {
        group: Group::AfterClose,
        about: "The server was restarted: its old listener closed, a new one opened, and a client that had not heard \
            of the end went on with a connection of the old one. Its data met the new listener, which knows nothing \
            of it, and was answered with a RST.",
        shown_by: "the end of the old listener and the opening of the new one, both after the connection was made",
        conditions: &[
            "A segment without connection reached a listener.",
            "The listener was opened while we watched, after another one on the same address had closed, with \
                none in between (so it is no worker of several that share the port).",
            "The connection is older: either this host was seen to abort it before the listener opened, or the \
                segment carries data or an end, and nothing else explains it: no translation, no full queue, no \
                address that moved.",
        ],
        certainty: "observed where the abort of this connection was seen, else inferred",
        alike: &[
            ("conntrack-expired", "the connection lost its translation, and belongs to another back end"),
            ("pod-ip-reuse", "the address moved to another namespace"),
            ("accept-queue-overflow", "the handshake lost its last ACK to a full queue"),
            ("peer-wrote-after-close", "the listener was there all the time"),
        ],
        advice: Advice {
            now: "the client must reconnect",
            fix: "on stop: drain and close connections, then exit; on the client: keepalive and retry",
            trade_off: "draining makes each restart as long as the longest request",
            do_not: "kill -9 a server with open connections",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "handover::a_restarted_server_resets_a_client_that_missed_the_end",
        },
    };

    /// The restart caused the reset when
    /// 1. a segment without connection reached a listener,
    /// 2. the listener was opened while we watched, after another one on the same address had closed, with none in
    ///    between (so it is no worker of several that share the port), and
    /// 3. the connection is older: either
    ///    a. this host was seen to abort this very connection before the listener opened, or
    ///    b. the segment carries data or an end (a lone ACK may be a scan), and the connection was not aborted since,
    ///    lost neither its translation nor its handshake to a full queue, nor did the address come here meanwhile, as
    ///    far as we could see.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        if case.mechanism() != Mechanism::AckToListener {
            return None;
        }
        let new = case.listener().yes().filter(|known| !known.found)?;
        let old_closed = case.predecessor(new)?;
        let certainty = certainty(case, new)?;
        Some((certainty, describe(case, new, old_closed, certainty)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("tcp", format!("a segment of an older connection reached the listener {}", self.listener)),
            Evidence::at("listener", self.old_closed, "the listener before it closed"),
            Evidence::at("listener", self.new_opened, format!("this one opened{}", opened_by(self.owner.as_ref()))),
        ];
        if self.abort_seen {
            lines.push(Evidence::new("tcp", "this host had aborted the connection before; the client missed it"));
        }
        lines
    }
}

impl fmt::Display for ServerRestarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server on {} was restarted {:.1} s before; the connection belonged to its predecessor",
            self.listener, self.new_opened_ago_s
        )
    }
}

/// Condition 3.
fn certainty(case: &Case<'_>, new: &KnownListener) -> Option<Certainty> {
    if let Some(abort) = case.aborted_before().yes() {
        return (abort.time <= new.since).then_some(Certainty::Observed);
    }
    let segment = case.reply()?.segment;
    let speaks = segment.payload > 0 || segment.flags.fin();
    let rivals_absent = case.lost_translation().is_no() && matches!(case.overflow_of_connection(), Seen::No);
    let settled = case.holders().iter().all(|holder| holder.netns != case.netns() || !holder.newcomer);
    (speaks && rivals_absent && settled).then_some(Certainty::Inferred)
}

fn describe(case: &Case<'_>, new: &KnownListener, old_closed: Time, certainty: Certainty) -> ServerRestarted {
    ServerRestarted {
        listener: new.listener.local,
        owner: new.owner.clone(),
        old_closed_ago_s: case.time().since(old_closed).as_secs_f64(),
        new_opened_ago_s: case.time().since(new.since).as_secs_f64(),
        abort_seen: certainty == Certainty::Observed,
        old_closed,
        new_opened: new.since,
    }
}

fn opened_by(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!(" by {owner}"))
}

#[cfg(test)]
mod tests {
    use crate::event::Exit;
    use crate::explain::story::Story;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn restarted() -> Story {
        let story = Story::new().finds("0.0.0.0:80").after(1000);
        story.closes("0.0.0.0:80", Some(Exit::Signal(9))).after(2000).opens("0.0.0.0:80").after(500)
    }

    #[test]
    fn data_of_an_older_connection_is_inferred() {
        assert_eq!(
            restarted().data_meets_listener(SERVER, CLIENT, 9).said(),
            "server-restarted inferred: the server on 0.0.0.0:80 was restarted 0.5 s before; \
             the connection belonged to its predecessor"
        );
    }

    #[test]
    fn a_connection_this_host_aborted_itself_is_observed() {
        let story = Story::new().finds("0.0.0.0:80").after(1000).aborts(SERVER, CLIENT);
        let story = story.closes("0.0.0.0:80", None).after(2000).opens("0.0.0.0:80").after(500);
        let said = story.lone_ack_meets_listener(SERVER, CLIENT).said();
        assert!(said.starts_with("server-restarted observed"), "{said}");
    }

    #[test]
    fn a_lone_ack_may_be_a_scan() {
        assert_eq!(restarted().lone_ack_meets_listener(SERVER, CLIENT).code(), "unexplained");
    }

    #[test]
    fn a_listener_that_was_always_there_was_not_restarted() {
        let story = Story::new().finds("0.0.0.0:80").after(1000);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn a_listener_that_opened_without_a_predecessor_was_not_restarted() {
        let story = Story::new().opens("0.0.0.0:80").after(1000);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn a_connection_aborted_after_the_restart_belonged_to_the_new_one() {
        let story = restarted().aborts(SERVER, CLIENT).after(500);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 9).code(), "peer-wrote-after-close");
    }

    #[test]
    fn one_worker_of_several_is_not_the_server() {
        let story = Story::new().finds("0.0.0.0:80").opens("10.0.0.1:80").after(1000);
        let story = story.closes("10.0.0.1:80", None).after(2000).opens("10.0.0.1:80").after(500);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn a_dropped_handshake_explains_better() {
        let story = restarted().overflows(SERVER, CLIENT, 9).after(1000);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 9).code(), "accept-queue-overflow");
    }
}
