//! The peer had ended the connection; this host wrote on.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Time};
use crate::explain::case::Case;
use crate::explain::foreign::{Met, WriteAfterEnd, at_best};
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// A peer elsewhere that had ended its side refused what this host wrote after that.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WroteAfterPeerClose {
    pub peer: Endpoint,
    /// Seconds since the peer ended its side, or last acknowledged something after that.
    pub ended_ago_s: f64,
    /// Bytes that were not acknowledged.
    pub unacknowledged: u32,
    /// The RST bears the mark of an answer to what was written.
    pub answered: bool,
    #[serde(skip)]
    ended_at: Time,
}

impl Explains for WroteAfterPeerClose {
    const CODE: &'static str = "wrote-after-peer-close";
    const MEANING: &'static str = "the peer had ended the connection, and this host wrote to it all the same";

    const PAGE: Page = Page {
        group: Group::AfterClose,
        about: "The peer, elsewhere, had ended the connection in order, and this host wrote to it all the same. The \
            peer's host has no socket for it any more and answers with a RST. The application here gets EPIPE (and \
            SIGPIPE, unless it asked for none).",
        shown_by: "the peer's end of the connection, and bytes of this host behind it that were not acknowledged",
        conditions: &[
            "A reset from elsewhere met a connection that the peer had ended in order.",
            "Something of ours was not acknowledged.",
            "The connection is not known to have been idle for long before, which has a name of its own.",
        ],
        certainty: "observed where the RST is seen to answer a segment of this host, else inferred",
        alike: &[
            ("keep-alive-race", "the connection had been idle for a second or more when the peer ended it"),
            ("peer-wrote-after-close", "the same, seen from the end that closed"),
            ("peer-reset", "all that this host wrote had been acknowledged"),
        ],
        advice: Advice {
            now: "open a new connection; what was not acknowledged may have been processed all the same: repeat only what may be repeated",
            fix: "stop writing at the end of the stream: read() gave 0 bytes, or poll() says POLLRDHUP",
            trade_off: "",
            do_not: "take EPIPE or SIGPIPE for a network problem; ignore them and write on",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "received::a_write_right_behind_the_close_of_a_peer_elsewhere_was_written_after_it",
        },
    };

    /// The write caused the reset when
    /// 1. a reset from elsewhere met a connection that the peer had ended in order, and
    /// 2. something of ours was not acknowledged (see [`Met::of`]),
    /// 3. on a connection that is not known to have been idle for long before, which has a name of its own.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let Met::WriteAfterEnd(write) = Met::of(case)? else { return None };
        (!write.was_idle()).then(|| (at_best(case, write.certainty()), describe(case, &write)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::at("tcp", self.ended_at, format!("{} had ended its side (state CLOSE_WAIT)", self.peer)),
            Evidence::new("tcp", format!("{} bytes of this host were not acknowledged", self.unacknowledged)),
        ];
        let form = if self.answered {
            "the RST answers a segment: it acknowledges nothing"
        } else {
            "whether the RST answers what was written, or the peer gave up by itself, is not to be seen"
        };
        lines.push(Evidence::new("tcp", form));
        lines
    }
}

impl fmt::Display for WroteAfterPeerClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} had ended this connection {:.3} s before; {} bytes that this host wrote were refused",
            self.peer, self.ended_ago_s, self.unacknowledged
        )
    }
}

fn describe(case: &Case<'_>, write: &WriteAfterEnd) -> WroteAfterPeerClose {
    WroteAfterPeerClose {
        peer: case.flow().remote,
        ended_ago_s: write.ended_ago.as_secs_f64(),
        unacknowledged: write.unacknowledged,
        answered: write.certainty() == Certainty::Observed,
        ended_at: case.time().minus(write.ended_ago),
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Acknowledged, Fact, TcpState};
    use crate::explain::story::{Story, Talk, talk};

    const PEER: &str = "192.0.2.1:80";
    const HERE: &str = "10.0.0.1:40000";

    fn wrote(form: Acknowledged) -> Story {
        Story::new().after(5).takes(HERE, PEER, TcpState::CloseWait, busy(), form)
    }

    fn busy() -> Talk {
        talk().idle(30).heard(20).written(3).unacknowledged(90)
    }

    #[test]
    fn a_write_to_a_peer_that_had_ended() {
        assert_eq!(
            wrote(Acknowledged::Nothing).said(),
            "wrote-after-peer-close observed: 192.0.2.1:80 had ended this connection 0.020 s before; \
             90 bytes that this host wrote were refused"
        );
    }

    #[test]
    fn a_reset_of_the_peers_own_accord_looks_the_same_without_the_packet() {
        for form in [Acknowledged::Unseen, Acknowledged::Number(7)] {
            assert!(wrote(form).said().starts_with("wrote-after-peer-close inferred"));
        }
    }

    #[test]
    fn a_peer_that_had_not_ended_reset_by_itself() {
        let story = Story::new().after(5);
        let story = story.takes(HERE, PEER, TcpState::Established, busy(), Acknowledged::Nothing);
        assert_eq!(story.code(), "peer-reset");
    }

    #[test]
    fn a_reset_that_this_host_may_have_sent_is_not_from_elsewhere() {
        let lost = Story::new().after(200).loses_events(Fact::RstSent, 5);
        let story = lost.takes(HERE, PEER, TcpState::CloseWait, busy(), Acknowledged::Nothing);
        assert_eq!(story.code(), "unexplained");
    }
}
