//! The port opened shortly after the connection was refused. Only ever an amendment: it is known afterwards.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Time};
use crate::explain::case::Case;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// The client was faster than the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotYetListening {
    pub dialled: Endpoint,
    pub listener: Endpoint,
    /// Seconds after the reset.
    pub opened_after_s: f64,
    /// Refused connections this answers, the amended one included.
    pub refusals: u64,
    #[serde(skip)]
    pub opened_at: Time,
}

impl Explains for NotYetListening {
    const CODE: &'static str = "not-yet-listening";
    const MEANING: &'static str = "the port opened shortly after the connection was refused";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "The connection was refused, and shortly after the port opened: the client was faster than the \
            server. It is known only afterwards, so it comes as an amendment of an earlier verdict.",
        shown_by: "the opening of a listener on the refused address soon after the refusal",
        conditions: &[
            "A connection attempt had been refused because nothing listened.",
            "A listener that takes the address was seen to open shortly after.",
        ],
        certainty: "observed",
        alike: &[
            ("no-listener", "the port stays closed"),
            ("listener-closed", "the port was open before; both hold where a server restarts"),
        ],
        advice: Advice {
            now: "nothing: the port is open now",
            fix: "send traffic only when the port is open: a readiness (or startup) probe on the real port",
            trade_off: "a stricter readiness probe makes each rollout step longer",
            do_not: "use initialDelaySeconds as a guess of the start-up time",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: Some("rollout"),
            scenario: "listener::a_server_that_starts_three_seconds_late_refuses_and_is_found_later",
        },
    };

    /// Never at the time of the reset: the fact it rests on lies in the future then.
    fn infer(_case: &Case<'_>) -> Option<(Certainty, Self)> {
        None
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![Evidence::at("listener", self.opened_at, format!("{} opened", self.listener))]
    }
}

impl fmt::Display for NotYetListening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} opened {:.3} s after the connection was refused", self.listener, self.opened_after_s)
    }
}

#[cfg(test)]
mod tests {
    use crate::explain::story::Story;

    const CLIENT: &str = "10.0.0.9:40000";

    fn refused() -> Story {
        Story::new().after(5).syn_meets_nobody("10.0.0.1:80", CLIENT)
    }

    fn amended(story: Story) -> Vec<(u64, String)> {
        story.amendments().into_iter().map(|a| (a.of, a.explanation.cause.to_string())).collect()
    }

    #[test]
    fn a_port_that_opens_later_amends_the_verdict() {
        let said = amended(refused().after(3000).opens("0.0.0.0:80"));
        assert_eq!(said, [(1, "0.0.0.0:80 opened 3.000 s after the connection was refused".into())]);
    }

    #[test]
    fn a_port_that_opens_while_the_case_is_open_amends_it_too() {
        let said = amended(refused().after(50).opens("0.0.0.0:80"));
        assert_eq!(said, [(1, "0.0.0.0:80 opened 0.050 s after the connection was refused".into())]);
    }

    #[test]
    fn a_port_that_opens_much_later_has_another_story() {
        assert_eq!(amended(refused().after(31_000).opens("0.0.0.0:80")), []);
    }

    #[test]
    fn another_port_or_address_or_namespace_amends_nothing() {
        assert_eq!(amended(refused().after(500).opens("0.0.0.0:81")), []);
        assert_eq!(amended(refused().after(500).opens("127.0.0.1:80")), []);
        assert_eq!(amended(refused().after(500).within(2).opens("0.0.0.0:80")), []);
    }
}
