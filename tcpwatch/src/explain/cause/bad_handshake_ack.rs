//! The client's last ACK did not fit the handshake it was meant to complete.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// A handshake ended with the acknowledgement of something this host had not sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BadHandshakeAck {
    pub local: Endpoint,
    pub client: Endpoint,
    pub acknowledged: u32,
    /// What the SYN+ACK of this host asked for.
    pub expected: u32,
}

impl Explains for BadHandshakeAck {
    const CODE: &'static str = "bad-handshake-ack";
    const MEANING: &'static str = "the ACK that should complete a handshake acknowledged something else";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "A handshake was under way, and the ACK that should have completed it acknowledged a number that this \
            host's SYN+ACK had not asked for. TCP answers such an ACK with a RST, and the handshake goes on.",
        shown_by: "an unfinished handshake between the same ports, and the number its SYN+ACK asked for beside the \
            one the ACK brought",
        conditions: &[
            "The ACK met an unfinished handshake between the same ports: one that sent this very packet on to the \
                listener, or a socket in SYN_RECV.",
            "It does not acknowledge the SYN+ACK of that handshake.",
        ],
        certainty: "observed",
        alike: &[
            (
                "port-reuse",
                "there it is a SYN that meets an unfinished handshake, or an ACK of an older connection that \
                    meets a SYN of this host",
            ),
            ("syn-cookie-failed", "no handshake is kept: the ACK itself had to be the proof of one"),
        ],
        advice: Advice {
            now: "nothing: the client's next attempt gets a handshake of its own",
            fix: "find who answers in this host's name: a SYN proxy, two hosts with one address, a way back around a \
                NAT",
            trade_off: "",
            do_not: "raise backlogs or somaxconn: no queue was full",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "replies::a_wrong_ack_when_both_ends_dial_is_a_bad_handshake_ack",
        },
    };

    /// The ACK caused the reset when
    /// 1. it met an unfinished handshake between the same ports: either
    ///    a. one without a socket, which sent this very packet on to the listener, or
    ///    b. a socket in SYN_RECV, and
    /// 2. it does not acknowledge the SYN+ACK of that handshake.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.reply().filter(|_| case.mechanism() == Mechanism::BadHandshakeAck)?;
        let of_request = case.ack_refused().yes().map(|refused| refused.expected);
        let expected = of_request.or_else(|| rst.conversation.as_ref().map(|talk| talk.snd_nxt))?;
        let cause = Self {
            local: rst.flow.local,
            client: rst.flow.remote,
            acknowledged: rst.segment.ack,
            expected,
        };
        (expected != rst.segment.ack).then_some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("{} has a handshake with {} under way", self.local, self.client)),
            Evidence::new("tcp", format!("its SYN+ACK asked for {}, the ACK brought {}", self.expected, self.acknowledged)),
        ]
    }
}

impl fmt::Display for BadHandshakeAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged {} in its handshake with {}, which had asked for {}",
            self.client, self.acknowledged, self.local, self.expected
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Fact;
    use crate::explain::story::Story;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80").after(5)
    }

    #[test]
    fn an_ack_refused_by_a_handshake_and_then_by_the_listener() {
        assert_eq!(
            served().refuses_ack(SERVER, CLIENT, 500).lone_ack_meets_listener(SERVER, CLIENT).said(),
            "bad-handshake-ack observed: 10.0.0.9:40000 acknowledged 1000 in its handshake with 10.0.0.1:80, \
             which had asked for 500"
        );
    }

    #[test]
    fn an_ack_refused_by_a_socket_in_the_middle_of_its_handshake() {
        let said = served().ack_meets_handshake(SERVER, CLIENT, 501, 900).said();
        assert!(said.starts_with("bad-handshake-ack observed"), "{said}");
    }

    #[test]
    fn a_socket_that_refuses_the_right_ack_had_another_reason() {
        assert_eq!(served().ack_meets_handshake(SERVER, CLIENT, 501, 501).code(), "unexplained");
    }

    #[test]
    fn another_packet_or_client_is_no_evidence() {
        let story = served().refuses_ack(SERVER, "10.0.0.9:40001", 500);
        assert_eq!(story.lone_ack_meets_listener(SERVER, CLIENT).code(), "unexplained");
        let story = served().refuses_ack(SERVER, CLIENT, 500).after(20);
        assert_eq!(story.lone_ack_meets_listener(SERVER, CLIENT).code(), "unexplained");
    }

    #[test]
    fn who_cannot_see_handshakes_says_so() {
        let story = Story::blind_to(&[Fact::HandshakeAckRefused]).finds("0.0.0.0:80").after(5);
        let said = story.lone_ack_meets_listener(SERVER, CLIENT).said();
        assert!(said.contains("handshake ACKs refused: not to be seen here"), "{said}");
    }
}
