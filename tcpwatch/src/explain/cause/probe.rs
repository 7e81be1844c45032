//! Somebody looked whether the port is open, and went away without a word.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner};
use crate::explain::case::Case;
use crate::explain::foreign::Met;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A connection on which the other end never said anything, ended by a reset at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    pub port: Endpoint,
    pub from: Endpoint,
    pub how: How,
    /// Who listens there.
    pub server: Option<Owner>,
}

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It reset the handshake when it had the SYN+ACK.
    HalfOpen,
    /// It completed the handshake and reset the connection, this many seconds later.
    Connected { for_s: f64 },
}

impl Explains for Probe {
    const CODE: &'static str = "probe";
    const MEANING: &'static str = "somebody connected, said nothing and reset: a health check or a scan";
    const BENIGN: bool = true;

    const PAGE: Page = Page {
        group: Group::Harmless,
        about: "Somebody completed a handshake, or half of one, said nothing and reset: a health check of a load \
            balancer, or somebody who looks which ports are open. No request was lost. It is counted rather than \
            shown. Many half-open ones from many addresses are a SYN flood under forged addresses.",
        shown_by: "a reset from elsewhere on a young connection that had brought no data, or on a handshake",
        conditions: &[
            "A reset from elsewhere met a server of this host.",
            "Either the handshake was not complete, or the other end had sent no data and stayed for a moment only.",
        ],
        certainty: "inferred: what somebody wants who says nothing is a guess",
        alike: &[
            ("peer-reset", "the other end had said something, or stayed for longer"),
            ("scan", "the ports it tried are closed"),
            ("linger-zero", "the same, seen from the host that checks"),
        ],
        advice: Advice {
            now: "nothing: no request was lost",
            fix: "to quieten it, let the checker end its connections in order, or ask for something (HTTP, gRPC \
                health)",
            trade_off: "a check that says something costs the server a little more than one that does not",
            do_not: "count these resets as failures of clients",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "received::a_contact_without_a_word_is_a_probe" },
    };

    /// The contact was a probe when
    /// 1. a reset from elsewhere met a server of this host (see [`Met::of`]), and
    /// 2. either the handshake was not complete, or the other end had sent no data and stayed for a moment only.
    ///
    /// What somebody wants who says nothing is a guess: inferred.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let how = match Met::of(case)? {
            Met::Handshake => How::HalfOpen,
            Met::SilentPeer { age } => How::Connected { for_s: age.as_secs_f64() },
            _ => return None,
        };
        let known = case.listener().yes();
        let cause = Self {
            port: case.flow().local,
            from: case.flow().remote,
            how,
            server: known.and_then(|known| known.owner.clone()),
        };
        Some((Certainty::Inferred, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let contact = match self.how {
            How::HalfOpen => format!("{} reset its own handshake when it had the SYN+ACK", self.from),
            How::Connected { for_s } => format!("{} sent no data, and reset the connection after {for_s:.3} s", self.from),
        };
        let mut lines = vec![Evidence::new("tcp", contact)];
        if let Some(server) = &self.server {
            lines.push(Evidence::new("listener", format!("port {} is served by {server}", self.port.port)));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        match self.how {
            How::HalfOpen => Remedy {
                now: "nothing, while they are few; many from many addresses: a SYN flood under forged addresses".into(),
                ..Self::PAGE.advice.into()
            },
            How::Connected { .. } => Self::PAGE.advice.into(),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, port, .. } = self;
        match self.how {
            How::HalfOpen => write!(f, "{from} reset its handshake with {port}: a half-open check, a scan, or a SYN it never sent"),
            How::Connected { .. } => write!(f, "{from} connected to {port}, said nothing and reset: a health check or a scan"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Acknowledged, TcpState};
    use crate::explain::story::{Story, Talk, talk};

    const SERVER: &str = "10.0.0.1:80";
    const CHECKER: &str = "192.0.2.9:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80").after(5)
    }

    fn reset_by(checker: &str, talk: Talk) -> Story {
        served().takes(SERVER, checker, TcpState::Established, talk, Acknowledged::Number(1))
    }

    #[test]
    fn a_contact_without_a_word_is_a_probe() {
        assert_eq!(
            reset_by(CHECKER, talk().received(0).idle(12)).said(),
            "probe inferred: 192.0.2.9:40000 connected to 10.0.0.1:80, said nothing and reset: a health check or a scan"
        );
    }

    #[test]
    fn a_handshake_that_its_client_resets_is_a_probe() {
        assert_eq!(
            served().handshake_reset(SERVER, CHECKER).said(),
            "probe inferred: 192.0.2.9:40000 reset its handshake with 10.0.0.1:80: a half-open check, a scan, \
             or a SYN it never sent"
        );
    }

    #[test]
    fn who_said_something_or_waited_long_was_no_probe() {
        assert_eq!(reset_by(CHECKER, talk().idle(12)).code(), "peer-reset");
        assert_eq!(reset_by(CHECKER, talk().received(0).idle(9_000)).code(), "peer-reset");
    }

    #[test]
    fn a_silent_server_elsewhere_is_not_probing_us() {
        let story = served();
        let quiet = talk().received(0).idle(12);
        let story = story.takes("10.0.0.1:40000", "192.0.2.9:80", TcpState::Established, quiet, Acknowledged::Number(1));
        assert_eq!(story.code(), "peer-reset");
    }

    #[test]
    fn a_checker_on_this_host_is_explained_by_what_it_did() {
        assert_eq!(reset_by("10.0.0.1:40000", talk().received(0).idle(12)).code(), "unexplained");
    }
}
