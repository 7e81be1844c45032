//! Somebody elsewhere answered our SYN with a RST.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::case::Case;
use crate::explain::foreign::{Met, at_best, doubt};
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A connection attempt of this host was refused, and not by a TCP of this host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerRefused {
    pub dialled: Endpoint,
    /// Hop count of the RST, where the packet was seen.
    pub ttl: Option<u8>,
    /// Resets sent by firewall rules of this host would have been seen.
    pub rules_are_seen: bool,
}

impl Explains for PeerRefused {
    const CODE: &'static str = "peer-refused";
    const MEANING: &'static str = "another host, or a filter on the way, refused this host's connection attempt";

    const PAGE: Page = Page {
        group: Group::Elsewhere,
        about: "This host dialled, and a RST came back: nothing listens there, or a filter refuses in its name. The \
            application here gets ECONNREFUSED. Why is known on the other host only.",
        shown_by: "a RST accepted for a SYN of this host, which no TCP of this host sent",
        conditions: &[
            "A RST was accepted for a SYN of this host.",
            "No TCP of this host sent it: none was seen to, all were watched, and the address dialled is not of \
                this host.",
        ],
        certainty: "stated; inferred where a firewall rule of this host might have sent it unseen",
        alike: &[
            ("no-listener", "the address dialled is of this host, and the refusal was seen to be sent"),
            ("rejected-by-rule", "a firewall rule of this host was seen to refuse"),
            ("peer-reset", "the connection was established already"),
        ],
        advice: Advice {
            now: "on the host that was dialled: is the port open (`ss -ltn`), does a filter reject it?",
            fix: "start or bind the server where it is dialled; send clients there only when it is ready",
            trade_off: "",
            do_not: "look for the reason on this host; only add retries",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "received::a_host_elsewhere_that_refuses_is_named" },
    };

    /// The refusal came from elsewhere when
    /// 1. a RST was accepted for a SYN of this host, and
    /// 2. no TCP of this host sent it: none was seen to, all were watched, and the address dialled is not of this host
    ///    (see [`Met::of`]). That is sure only where resets sent by firewall rules of this host would have been seen.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let ttl = case.received()?.ttl;
        let refused = Met::of(case)? == Met::Attempt;
        let rules_are_seen = !case.may_be_by_rule();
        let cause = Self { dialled: case.flow().remote, ttl, rules_are_seen };
        refused.then(|| (at_best(case, Certainty::Stated), cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("tcp", format!("a RST in the name of {} answered the SYN", self.dialled)),
            Evidence::new("tcp", "no TCP of this host sent it"),
        ];
        if let Some(ttl) = self.ttl {
            lines.push(Evidence::new("tcp", format!("it arrived with TTL {ttl}")));
        }
        lines.extend(doubt(self.rules_are_seen));
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: format!("on the host that has {}: is the port open (`ss -ltn`), does a filter reject it?", self.dialled.addr),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for PeerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused the connection: nothing listens there, or a filter refuses in its name", self.dialled)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Acknowledged, Fact, TcpState};
    use crate::explain::story::{Story, talk};

    const HERE: &str = "10.0.0.1:40000";
    const THERE: &str = "192.0.2.1:80";

    fn refused(story: Story, remote: &str) -> Story {
        story.takes(HERE, remote, TcpState::SynSent, talk().received(0), Acknowledged::Number(1))
    }

    #[test]
    fn a_host_elsewhere_that_refuses_is_named() {
        assert_eq!(
            refused(Story::new().after(5), THERE).said(),
            "peer-refused stated: 192.0.2.1:80 refused the connection: nothing listens there, or a filter refuses in \
             its name"
        );
    }

    #[test]
    fn an_address_of_this_host_is_not_elsewhere() {
        for address in ["10.0.0.1:80", "127.0.0.1:80"] {
            let said = refused(Story::new().after(5), address).said();
            assert!(said.starts_with("unexplained: the sender: its address is one of this host's"), "{said}");
        }
    }

    #[test]
    fn who_cannot_see_what_this_host_sends_cannot_exclude_it() {
        for fact in [Fact::RstSent, Fact::ConnectionAborted] {
            let said = refused(Story::blind_to(&[fact]).after(5), THERE).said();
            assert!(said.starts_with(&format!("unexplained: {fact}: not to be seen here")), "{said}");
            let torn = Story::new().after(200).loses_events(fact, 5);
            assert_eq!(refused(torn, THERE).code(), "unexplained");
        }
    }

    #[test]
    fn an_established_connection_was_not_refused() {
        let story = Story::new().after(5);
        let story = story.takes(HERE, THERE, TcpState::Established, talk(), Acknowledged::Number(1));
        assert_ne!(story.code(), "peer-refused");
    }
}
