//! Somebody tries port after port.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// One source found many ports closed within seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scan {
    pub source: IpAddr,
    pub dialled: Endpoint,
    /// Closed ports it tried within ten seconds, this one included.
    pub ports: usize,
    /// Seconds from the first of them to the last.
    pub within_s: f64,
}

impl Explains for Scan {
    const CODE: &'static str = "scan";
    const MEANING: &'static str = "one source tried many closed ports within seconds";
    const BENIGN: bool = true;

    const PAGE: Page = Page {
        group: Group::Harmless,
        about: "One source tried many closed ports of this host within seconds. Nothing is broken here. It is \
            counted rather than shown.",
        shown_by: "how many closed ports one source tried, and within how long",
        conditions: &[
            "A SYN found no socket.",
            "Its source found many ports closed within seconds.",
            "No listener that takes this address is open or closed shortly before: both known from a complete \
                list and every change since.",
        ],
        certainty: "observed",
        alike: &[
            ("no-listener", "one port, tried by who believes that it is open"),
            ("probe", "the port is open"),
        ],
        advice: Advice {
            now: "nothing is broken here; if the scan is not one of yours, tell who owns the network",
            fix: "let a filter drop or limit what is dialled from there",
            trade_off: "what is dropped in silence lets legitimate callers of a wrong port wait",
            do_not: "count these refusals as failures of clients",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "replies::many_closed_ports_from_one_source_are_a_scan" },
    };

    /// A scan caused the refusal when
    /// 1. a SYN found no socket,
    /// 2. its source found many ports closed within seconds (see [`Case::is_scanned`]), and
    /// 3. no listener that takes this address is open or closed shortly before: both known from a complete list and
    ///    every change since.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let closed = case.listener().is_no() && case.closed_listener().is_no();
        if case.mechanism() != Mechanism::SynToNoSocket || !closed || !case.is_scanned() {
            return None;
        }
        let (ports, within) = case.ports_tried();
        let dialled = case.flow().local;
        let source = case.flow().remote.addr;
        Some((Certainty::Observed, Self { source, dialled, ports, within_s: within.as_secs_f64() }))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("SYN to {} found no socket", self.dialled)),
            Evidence::new("tcp", format!("{} closed ports tried from {} within {:.3} s", self.ports, self.source, self.within_s)),
            Evidence::new("listener", format!("port {} is not open, nor was it in the last minutes", self.dialled.port)),
        ]
    }
}

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tried {} closed ports within {:.3} s: a scan", self.source, self.ports, self.within_s)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Fact;
    use crate::explain::story::Story;

    const SCANNER: &str = "10.0.0.9";

    fn tries(story: Story, ports: std::ops::Range<u16>, every_ms: u64) -> Story {
        ports.fold(story, |story, port| {
            story.after(every_ms).syn_meets_nobody(&format!("10.0.0.1:{port}"), &format!("{SCANNER}:40000"))
        })
    }

    #[test]
    fn many_closed_ports_from_one_source() {
        assert_eq!(
            tries(Story::new(), 1000..1020, 10).said(),
            "scan observed: 10.0.0.9 tried 20 closed ports within 0.190 s: a scan"
        );
    }

    #[test]
    fn a_fast_scan_is_one_from_its_first_port_on() {
        let verdicts = tries(Story::new(), 1000..1020, 5).verdicts();
        assert!(verdicts.iter().all(|verdict| crate::explain::story::told(verdict).starts_with("scan")));
    }

    #[test]
    fn a_few_ports_or_one_often_are_no_scan() {
        assert_eq!(tries(Story::new(), 1000..1008, 10).code(), "no-listener");
        let often = (0..50).fold(Story::new(), |story, _| story.after(5).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:4000"));
        assert_eq!(often.code(), "no-listener");
    }

    #[test]
    fn many_ports_slowly_or_from_many_sources_are_no_scan() {
        assert_eq!(tries(Story::new(), 1000..1040, 2_000).code(), "no-listener");
        let many = (1..50).fold(Story::new(), |story, n| {
            story.after(5).syn_meets_nobody(&format!("10.0.0.1:{n}"), &format!("10.0.1.{n}:4000"))
        });
        assert_eq!(many.code(), "no-listener");
    }

    #[test]
    fn a_port_that_was_open_shortly_before_is_missed_by_its_clients() {
        let story = tries(Story::new().opens("0.0.0.0:80").closes("0.0.0.0:80", None), 1000..1020, 10);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000").code(), "listener-closed");
    }

    #[test]
    fn who_does_not_know_the_listeners_does_not_know() {
        let story = Story::new().after(200).loses_events(Fact::Listeners, 5);
        assert_eq!(tries(story, 1000..1020, 10).code(), "unexplained");
    }

    #[test]
    fn segments_of_lost_connections_are_no_scan() {
        let story = (1000..1020).fold(Story::new(), |story, port| {
            story.after(5).data_meets_nobody(&format!("10.0.0.1:{port}"), "10.0.0.9:80")
        });
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", "10.0.0.9:4000").code(), "no-listener");
    }
}
