//! A SYN came for a port on which nothing listens, and nothing did before.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::case::{CLOSED_LATELY, Case};
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// Nothing listens on the address and port that was dialled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoListener {
    pub dialled: Endpoint,
    /// Listeners on the same port that take other addresses, or the other family, only.
    pub elsewhere: Vec<Endpoint>,
    /// Seconds of the past that are known: "never" reaches no further back.
    pub watched_s: f64,
}

impl Explains for NoListener {
    const CODE: &'static str = "no-listener";
    const MEANING: &'static str = "nothing listens on that address and port";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "A SYN came for an address and port on which nothing listens, and on which nothing was seen to listen \
            shortly before. The client gets ECONNREFUSED. Where the port is open on another address only, as on \
            loopback, or for the other IP family, that is said.",
        shown_by: "a complete list of the listeners of the namespace, none of which takes the address",
        conditions: &[
            "A SYN found no socket.",
            "No listener that takes this address is open.",
            "None was seen to close shortly before: both known from a complete list and every change since.",
            "Its source is not trying port after port.",
        ],
        certainty: "observed",
        alike: &[
            ("listener-closed", "a listener was open until shortly before"),
            ("not-yet-listening", "a listener opens shortly after; the verdict is amended then"),
            ("scan", "the same source tries many closed ports"),
            ("rejected-by-rule", "a firewall answered, and the server never saw the SYN"),
        ],
        advice: Advice {
            now: "check the port number, and whether the server is meant to run here",
            fix: "start the server before traffic comes: a readiness probe on the real port",
            trade_off: "",
            do_not: "only add retries; use initialDelaySeconds in place of readiness",
        },
        otherwise: &[("where the port is open on other addresses only", ELSEWHERE)],
        reproduce: Reproduce { demo: Some("rollout"), scenario: "listener::a_port_that_never_listened_refuses" },
    };

    /// Nobody listening caused the refusal when
    /// 1. a SYN found no socket,
    /// 2. no listener that takes this address is open, and
    /// 3. none was seen to close: both known from a complete list and every change since, and
    /// 4. its source is not trying port after port (see [`Case::is_scanned`]).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let absent = case.listener().is_no() && case.closed_listener().is_no();
        if case.mechanism() != Mechanism::SynToNoSocket || !absent || case.is_scanned() {
            return None;
        }
        let mut elsewhere: Vec<_> = case.listeners_elsewhere().map(|known| known.listener.local).collect();
        elsewhere.sort_unstable();
        elsewhere.dedup();
        let cause = Self { dialled: case.flow().local, elsewhere, watched_s: case.watched().min(CLOSED_LATELY).as_secs_f64() };
        Some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![Evidence::new("tcp", format!("SYN to {} found no socket", self.dialled))];
        if self.elsewhere.is_empty() {
            let text = format!(
                "none on port {} in this namespace, and none closed in the last {:.0} s",
                self.dialled.port, self.watched_s
            );
            lines.push(Evidence::new("listener", text));
        } else {
            lines.push(Evidence::new("listener", format!("port {} is open on {} only", self.dialled.port, self.places())));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        if self.elsewhere.is_empty() { Self::PAGE.advice.into() } else { self.bind_it_wider() }
    }
}

impl NoListener {
    fn bind_it_wider(&self) -> Remedy {
        let loopback = self.elsewhere.iter().all(|place| place.addr.is_loopback());
        let now = if loopback {
            "the server takes connections from its own host only; see whether that is meant".into()
        } else {
            format!("dial {}, where it does listen", self.places())
        };
        Remedy { now, ..ELSEWHERE.into() }
    }

    /// Three of them are enough for a line.
    fn places(&self) -> String {
        let shown = self.elsewhere.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self.elsewhere.len().saturating_sub(3) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }
}

impl fmt::Display for NoListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.elsewhere.is_empty() {
            write!(f, "nothing listens on {}", self.dialled)
        } else {
            write!(f, "nothing listens on {}; the port is open on {} only", self.dialled, self.places())
        }
    }
}

const ELSEWHERE: Advice = Advice {
    now: "dial an address on which it does listen; one that is open on loopback takes connections from its own host \
        only",
    fix: "bind what is dialled: 0.0.0.0 and [::] (no IPV6_V6ONLY), not loopback or one family",
    trade_off: "a server bound to every address is reachable from every network of its namespace",
    do_not: "only add retries; use initialDelaySeconds in place of readiness",
};

#[cfg(test)]
mod tests {
    use crate::event::Fact;
    use crate::explain::story::Story;

    const CLIENT: &str = "10.0.0.9:40000";

    #[test]
    fn nothing_listens_and_nothing_did() {
        let story = Story::new().finds("0.0.0.0:443").after(5).syn_meets_nobody("10.0.0.1:80", CLIENT);
        assert_eq!(story.said(), "no-listener observed: nothing listens on 10.0.0.1:80");
    }

    #[test]
    fn a_listener_on_loopback_only_is_named() {
        let story = Story::new().finds("127.0.0.1:80").after(5).syn_meets_nobody("10.0.0.1:80", CLIENT);
        assert_eq!(
            story.said(),
            "no-listener observed: nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only"
        );
    }

    #[test]
    fn a_listener_of_the_other_family_is_named() {
        let story = Story::new().finds("0.0.0.0:80").after(5).syn_meets_nobody("[fd00::1]:80", "[fd00::9]:4000");
        assert!(story.said().ends_with("the port is open on 0.0.0.0:80 only"));
    }

    #[test]
    fn an_unknown_namespace_proves_nothing() {
        let story = Story::new().within(5).syn_meets_nobody("10.0.0.1:80", CLIENT);
        assert_eq!(
            story.said(),
            "unexplained: the listeners of this namespace: their list is not complete, or changes were missed"
        );
    }

    #[test]
    fn without_the_listener_hook_absence_proves_nothing() {
        let story = Story::blind_to(&[Fact::Listeners]).after(5).syn_meets_nobody("10.0.0.1:80", CLIENT);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn after_a_loss_absence_proves_nothing() {
        let story = Story::new().after(50).loses_events(Fact::Listeners, 10).after(5);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "unexplained");
    }
}
