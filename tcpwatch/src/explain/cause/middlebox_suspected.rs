//! The RST came another way than the peer's data.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::case::Case;
use crate::explain::foreign::Met;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A RST bears the name of the peer, but not its hop count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MiddleboxSuspected {
    pub peer: Endpoint,
    /// Hop count of the RST.
    pub rst_ttl: u8,
    /// Hop count of the peer's latest data.
    pub data_ttl: u8,
}

impl Explains for MiddleboxSuspected {
    const CODE: &'static str = "middlebox-suspected";
    const MEANING: &'static str = "the reset came with another hop count than the peer's data: perhaps from a device between";

    const PAGE: Page = Page {
        group: Group::Elsewhere,
        about: "A reset came in the name of the peer, but with another hop count (TTL) than the peer's data. A \
            device between may have made it: a firewall, a load balancer, intrusion prevention. It is never more \
            than a suspicion.",
        shown_by: "the TTL of the RST beside that of the peer's data, which lay unread",
        conditions: &[
            "No TCP of this host sent the reset.",
            "Data of the peer still lay unread, and had arrived with another hop count.",
        ],
        certainty: "inferred, never more: routes change, and a peer may send resets with another TTL than its data",
        alike: &[
            ("peer-reset", "the hop counts are the same, or no data lay unread to compare with"),
            ("rejected-by-rule", "a rule of this host was seen to send it"),
        ],
        advice: Advice {
            now: "capture on the host of the peer too: does it send this RST, does it get one itself?",
            fix: "ask for the rules and idle timers of firewall, load balancer, NAT, intrusion prevention between",
            trade_off: "",
            do_not: "accuse a device on this evidence alone: a peer may send resets with another TTL than data",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "received::a_reset_with_another_hop_count_is_suspected_where_packets_are_seen",
        },
    };

    /// A device between is suspected when
    /// 1. no TCP of this host sent the reset (see [`Met::of`]), and
    /// 2. data of the peer still lay unread, and had arrived with another hop count (TTL).
    ///
    /// Never more than suspected: routes change, and a peer may send resets with another TTL than its data.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let Met::AnotherPath { rst, data } = Met::of(case)? else { return None };
        let cause = Self { peer: case.flow().remote, rst_ttl: rst, data_ttl: data };
        Some((Certainty::Inferred, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("the RST arrived with TTL {}", self.rst_ttl)),
            Evidence::new("tcp", format!("the peer's latest data, still unread, arrived with TTL {}", self.data_ttl)),
            Evidence::new("tcp", "no TCP of this host sent it"),
        ]
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: format!("capture on the host that has {} too: does it send this RST, does it get one itself?", self.peer.addr),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for MiddleboxSuspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the reset in the name of {} came with TTL {}, its data with {}: perhaps from a device between",
            self.peer, self.rst_ttl, self.data_ttl
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::explain::story::Story;

    const HERE: &str = "10.0.0.1:40000";
    const PEER: &str = "192.0.2.1:80";

    #[test]
    fn another_hop_count_is_suspicious() {
        assert_eq!(
            Story::new().after(5).takes_with_ttl(HERE, PEER, 63, Some(57)).said(),
            "middlebox-suspected inferred: the reset in the name of 192.0.2.1:80 came with TTL 63, its data with 57: \
             perhaps from a device between"
        );
    }

    #[test]
    fn the_same_or_an_unknown_hop_count_is_not() {
        assert_eq!(Story::new().after(5).takes_with_ttl(HERE, PEER, 57, Some(57)).code(), "peer-reset");
        assert_eq!(Story::new().after(5).takes_with_ttl(HERE, PEER, 57, None).code(), "peer-reset");
    }

    #[test]
    fn a_reset_that_may_be_this_hosts_own_accuses_nobody() {
        assert_eq!(Story::new().after(5).takes_with_ttl(HERE, "10.0.0.1:80", 63, Some(57)).code(), "unexplained");
    }
}
