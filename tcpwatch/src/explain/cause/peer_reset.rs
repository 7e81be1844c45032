//! Somebody elsewhere ended the connection, and knows why.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, TcpState};
use crate::explain::case::Case;
use crate::explain::foreign::{Form, Met, at_best, doubt};
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A reset from elsewhere, of which this host knows only what it met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerReset {
    pub peer: Endpoint,
    pub state: TcpState,
    /// `answer`, `own-accord` or `unseen`.
    pub form: Form,
    /// Seconds without data either way; `null` where the socket was not full, or the recording is old.
    pub idle_s: Option<f64>,
    /// Sequence numbers of this host that were not acknowledged.
    pub unacknowledged: Option<u32>,
    /// Hop count of the RST, where the packet was seen.
    pub ttl: Option<u8>,
    /// Resets sent by firewall rules of this host would have been seen.
    pub rules_are_seen: bool,
}

impl Explains for PeerReset {
    const CODE: &'static str = "peer-reset";
    const MEANING: &'static str = "another host, or a device in its name, reset the connection; why is known there";

    const PAGE: Page = Page {
        group: Group::Elsewhere,
        about: "Another host, or a device in its name, reset a connection of this host. The application here gets \
            ECONNRESET. Why is known where the reset was sent: tcpwatch on that host explains the same reset as \
            sent, and recordings of both hosts read together join its two ends.",
        shown_by: "a RST accepted by a connection of this host, which no TCP of this host sent",
        conditions: &[
            "It was accepted by a connection of this host.",
            "No TCP of this host sent it.",
            "What it met has no name of its own: no attempt, no handshake, no silent peer, no write after the \
                end, no data that came another way.",
        ],
        certainty: "stated; inferred where a firewall rule of this host might have sent it unseen",
        alike: &[
            (
                "wrote-after-peer-close",
                "the peer had ended the connection before, and what this host wrote was not acknowledged",
            ),
            ("keep-alive-race", "the same, after the connection had been idle"),
            ("middlebox-suspected", "it came with another hop count than the peer's data"),
            ("probe", "the peer never said anything"),
        ],
        advice: Advice {
            now: "run tcpwatch on the host of the peer: the same reset is explained there as sent",
            fix: "if it did not send it, look at what lies between: load balancer, firewall, NAT, their idle timers",
            trade_off: "",
            do_not: "take the RST for this host's fault: its connection was in order",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "received::a_reset_from_elsewhere_is_the_peers" },
    };

    /// The reset came from elsewhere, for reasons known elsewhere, when
    /// 1. it was accepted by a connection of this host,
    /// 2. no TCP of this host sent it (see [`Met::of`]), which is not all that is to be known where resets sent by
    ///    firewall rules of this host are not seen, and
    /// 3. what it met has no name of its own: no attempt, no handshake, no silent peer, no write after the end, no data
    ///    that came another way.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.received().filter(|_| Met::of(case) == Some(Met::Connection))?;
        let cause = Self {
            peer: rst.flow.remote,
            state: rst.socket.substate.unwrap_or(rst.socket.state),
            form: Form::of(rst),
            idle_s: rst.conversation.as_ref().map(|talk| talk.idle()).as_ref().map(Duration::as_secs_f64),
            unacknowledged: rst.conversation.as_ref().map(|talk| talk.unacknowledged()),
            ttl: rst.ttl,
            rules_are_seen: !case.may_be_by_rule(),
        };
        Some((at_best(case, Certainty::Stated), cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let met = format!("a RST in the name of {} met a connection in {}", self.peer, self.state);
        let mut lines = vec![Evidence::new("tcp", met), Evidence::new("tcp", "no TCP of this host sent it")];
        lines.extend(self.form.in_words().map(|form| Evidence::new("tcp", form)));
        if let (Some(idle), Some(bytes)) = (self.idle_s, self.unacknowledged) {
            let text = format!("no data either way for {idle:.3} s; {bytes} bytes sent and not acknowledged");
            lines.push(Evidence::new("tcp", text));
        }
        lines.extend(self.ttl.map(|ttl| Evidence::new("tcp", format!("it arrived with TTL {ttl}"))));
        lines.extend(doubt(self.rules_are_seen));
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: format!("run tcpwatch on the host that has {}: the same reset is explained there as sent", self.peer.addr),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for PeerReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a reset in the name of {}; its reason is with the peer, or on the way to it", self.peer)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Acknowledged, Fact, TcpState};
    use crate::explain::story::{Story, talk};

    const HERE: &str = "10.0.0.1:40000";
    const PEER: &str = "192.0.2.1:80";

    fn taken(story: Story, peer: &str) -> Story {
        story.takes(HERE, peer, TcpState::Established, talk().idle(40), Acknowledged::Number(1))
    }

    #[test]
    fn a_reset_from_elsewhere_says_so_and_no_more() {
        assert_eq!(
            taken(Story::new().after(5), PEER).said(),
            "peer-reset stated: a reset in the name of 192.0.2.1:80; its reason is with the peer, or on the way to it"
        );
    }

    #[test]
    fn where_rules_of_this_host_are_not_seen_it_is_inferred_and_says_why() {
        let verdict = taken(Story::blind_to(&[Fact::PacketRejected]).after(5), PEER).verdicts().remove(0);
        let crate::explain::verdict::Finding::Explained(best) = verdict.finding else { panic!() };
        assert_eq!((best.cause.code(), best.certainty.name()), ("peer-reset", "inferred"));
        assert!(best.cause.evidence().iter().any(|line| line.text.contains("a firewall rule of this host")));
    }

    #[test]
    fn the_form_of_the_rst_is_evidence() {
        let lines = |form| {
            let story = Story::new().after(5);
            let story = story.takes(HERE, PEER, TcpState::Established, talk(), form);
            let crate::explain::verdict::Finding::Explained(best) = story.verdicts().remove(0).finding else { panic!() };
            best.cause.evidence().iter().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n")
        };
        assert!(lines(Acknowledged::Nothing).contains("it answers a segment of this host"));
        assert!(lines(Acknowledged::Number(7)).contains("it was sent of the peer's own accord"));
        assert!(!lines(Acknowledged::Unseen).contains("it answers"));
    }

    #[test]
    fn a_reset_of_this_host_is_explained_by_its_sender() {
        let story = Story::new().finds("0.0.0.0:80").after(5).data_meets_listener("10.0.0.1:80", "10.0.0.9:40000", 77);
        let story = story.within(2).receives("10.0.0.9:40000", "10.0.0.1:80", 77, TcpState::Established);
        assert_eq!(story.verdicts()[1].joined, Some(1));
    }

    #[test]
    fn an_address_of_this_host_is_not_elsewhere() {
        assert_eq!(taken(Story::new().after(5), "10.0.0.1:80").code(), "unexplained");
        assert_eq!(taken(Story::new().namespace(2, &["192.0.2.1"], false).after(5), PEER).code(), "unexplained");
    }

    #[test]
    fn an_address_that_is_gone_from_this_host_may_be_elsewhere_by_now() {
        let story = Story::new().namespace(2, &["192.0.2.1"], false).after(5).vanishes(2).after(5);
        assert_eq!(taken(story, PEER).code(), "peer-reset");
    }

    #[test]
    fn after_a_loss_it_may_have_been_this_host() {
        for fact in [Fact::RstSent, Fact::ConnectionAborted] {
            let torn = Story::new().after(200).loses_events(fact, 5);
            let said = taken(torn, PEER).said();
            assert!(said.starts_with(&format!("unexplained: {fact}: events were lost")), "{said}");
        }
    }
}
