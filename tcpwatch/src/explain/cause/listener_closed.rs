//! The port was open until shortly before.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner, Time};
use crate::explain::case::Case;
use crate::explain::ending::How;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// The listener that took these connections was closed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListenerClosed {
    pub dialled: Endpoint,
    pub listener: Endpoint,
    /// Who closed it; `null` when the hook could not say.
    pub closed_by: Option<Owner>,
    pub how: How,
    /// Seconds before the reset.
    pub closed_ago_s: f64,
    #[serde(skip)]
    closed_at: Time,
}

impl Explains for ListenerClosed {
    const CODE: &'static str = "listener-closed";
    const MEANING: &'static str = "the listener on that port had closed shortly before";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "The port was open until shortly before: its listener was closed, or the process that held it ended. \
            Clients that still come, because a load balancer or a service has not heard of it yet, get ECONNREFUSED. \
            This is what a rolling update without a pause before SIGTERM looks like.",
        shown_by: "the end of the listener on that address, by whom and how long before the SYN",
        conditions: &[
            "A SYN found no socket.",
            "A listener that took this address had been seen to close shortly before.",
            "None that takes it was open: known from a complete list and every change since.",
        ],
        certainty: "observed",
        alike: &[
            ("no-listener", "none was seen to be open before"),
            ("not-yet-listening", "the port opened shortly after, and was not open before"),
            ("listener-closed-with-queue", "the handshake was complete when the listener closed"),
            ("rejected-by-rule", "a firewall answered, and TCP had no part in it"),
        ],
        advice: Advice {
            now: "in a rollout: clients that retry reach other replicas; else start the process again",
            fix: "leave the load balancer first: fail readiness, preStop sleep, then SIGTERM, drain, exit",
            trade_off: "every second of preStop sleep makes each rollout step a second longer",
            do_not: "only raise the grace period; hide it with client retries; use kill -9",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: Some("rollout"),
            scenario: "listener::a_server_that_closed_its_listener_refuses",
        },
    };

    /// The close caused the refusal when
    /// 1. a SYN found no socket,
    /// 2. a listener that took this address had been seen to close shortly before, and
    /// 3. none that takes it was open: known from a complete list and every change since.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        if case.mechanism() != Mechanism::SynToNoSocket || !case.listener().is_no() {
            return None;
        }
        let known = case.closed_listener().yes()?;
        let closed = known.closed.as_ref()?;
        let cause = Self {
            dialled: case.flow().local,
            listener: known.listener.local,
            closed_by: closed.by.clone(),
            how: How::from(closed.exit),
            closed_ago_s: case.time().since(closed.at).as_secs_f64(),
            closed_at: closed.at,
        };
        Some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("tcp", format!("SYN to {} found no socket", self.dialled)),
            Evidence::at("listener", self.closed_at, format!("{} {}", self.listener, self.ended())),
            Evidence::new("listener", "no other listener took its place in this namespace"),
        ];
        lines.extend(self.closer());
        lines
    }
}

impl ListenerClosed {
    fn ended(&self) -> String {
        self.how.closed(self.closed_by.as_ref())
    }

    fn closer(&self) -> Option<Evidence> {
        Some(Evidence::new("process", self.closed_by.as_ref()?.described()?))
    }
}

impl fmt::Display for ListenerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the listener on {} had been {} {} before", self.listener, self.ended(), ago(self.closed_ago_s))
    }
}

fn ago(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use crate::event::{Exit, Fact, Owner};
    use crate::explain::story::Story;

    const CLIENT: &str = "10.0.0.9:40000";

    fn after_the_end(exit: Option<Exit>) -> Story {
        Story::new().opens("0.0.0.0:80").after(1000).closes("0.0.0.0:80", exit).after(120)
    }

    #[test]
    fn a_closed_port_names_who_closed_it_and_how() {
        let said = |exit| after_the_end(exit).syn_meets_nobody("10.0.0.1:80", CLIENT).said();
        let begin = "listener-closed observed: the listener on 0.0.0.0:80 had been closed";
        assert_eq!(said(None), format!("{begin} by nginx[77] 120.0 ms before"));
        assert_eq!(
            said(Some(Exit::Status(1))),
            format!("{begin} as nginx[77] exited with status 1 120.0 ms before")
        );
        assert_eq!(
            said(Some(Exit::Signal(9))),
            format!("{begin} as nginx[77] was killed by SIGKILL (signal 9) 120.0 ms before")
        );
    }

    #[test]
    fn who_ended_is_told_as_it_was_known_when_it_opened() {
        let opened = |pid| Owner {
            exe: Some("/usr/sbin/nginx".into()),
            cgroup: Some("/system.slice/nginx.service".into()),
            ..Owner::named(pid, "nginx")
        };
        let evidence = |pid| {
            let story = Story::new().opens("0.0.0.0:80").by(opened(pid)).after(1000);
            let ended = Owner { gone: true, ..Owner::named(77, "worker") };
            let story = story.closes("0.0.0.0:80", Some(Exit::Status(1))).by(ended).after(9);
            story.syn_meets_nobody("10.0.0.1:80", CLIENT).evidence()
        };
        let process = "process: worker[77] in nginx.service, /usr/sbin/nginx, gone";
        assert!(evidence(77).ends_with(process), "{}", evidence(77));
        assert!(!evidence(78).contains("process:"), "another one had opened it");
    }

    #[test]
    fn a_listener_that_closed_long_ago_is_no_news() {
        let story = Story::new().opens("0.0.0.0:80").closes("0.0.0.0:80", None).after(3_600_000);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "no-listener");
    }

    #[test]
    fn after_a_loss_another_listener_may_have_taken_its_place() {
        let story = after_the_end(None).loses_events(Fact::Listeners, 10).after(5);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "unexplained");
    }

    #[test]
    fn the_listener_of_another_namespace_is_no_evidence() {
        let story = Story::new().within(2).opens("0.0.0.0:80").closes("0.0.0.0:80", None).within(1);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "no-listener");
    }

    #[test]
    fn a_listener_for_another_address_did_not_serve_this_one() {
        let story = Story::new().opens("127.0.0.1:80").closes("127.0.0.1:80", None);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "no-listener");
    }

    #[test]
    fn an_open_listener_that_was_not_found_stays_unexplained() {
        let story = Story::new().opens("0.0.0.0:80").closes("0.0.0.0:80", None).opens("0.0.0.0:80");
        assert_eq!(story.after(1).syn_meets_nobody("10.0.0.1:80", CLIENT).code(), "unexplained");
    }
}
