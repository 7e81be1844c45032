//! Connections waited in an accept queue when their listener closed.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner, Time};
use crate::explain::case::Case;
use crate::explain::ending::How;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// The client was connected; nobody accepted it, and nobody will.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListenerClosedWithQueue {
    pub listener: Endpoint,
    /// Who closed it; `null` when the hook could not say.
    pub closed_by: Option<Owner>,
    pub how: How,
    /// Connections in its accept queue at that moment.
    pub waiting: u32,
    /// `net.ipv4.tcp_migrate_req` of the namespace; `null` when not known (5.14 and later have it).
    pub tcp_migrate_req: Option<u32>,
    #[serde(skip)]
    closed_at: Time,
}

impl Explains for ListenerClosedWithQueue {
    const CODE: &'static str = "listener-closed-with-queue";
    const MEANING: &'static str = "the listener closed while the connection waited to be accepted";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "The handshake was complete and the connection waited in the accept queue when the listener closed: \
            at the end of its process, at a reload. The kernel resets what waits there. The client was connected, \
            and no request of it was served; it gets ECONNRESET.",
        shown_by: "a reset of a connection that was never accepted, and the end of its listener with so many waiting",
        conditions: &[
            "The connection was never accepted: only the end of its listener resets such a one.",
            "A listener that took this address had been seen to close just before.",
        ],
        certainty: "observed",
        alike: &[
            ("listener-closed", "the SYN came after the listener had closed, and was refused"),
            ("accept-queue-overflow", "the connection did not get into the queue"),
            ("process-killed", "the connection had been accepted, and its process was killed"),
        ],
        advice: Advice {
            now: "the client must connect again; it was connected, and no request of it was served",
            fix: "stop new traffic first (fail readiness, wait), accept() the rest, then close; with SO_REUSEPORT \
                others can take over: net.ipv4.tcp_migrate_req",
            trade_off: "each second of waiting for traffic to stop makes each stop a second longer",
            do_not: "close the old listener and open a new one on every reload; kill -9 a server",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_server_that_closes_its_listener_on_waiting_clients" },
    };

    /// The close caused the reset when
    /// 1. the connection was never accepted: only the end of its listener resets such a one, and
    /// 2. a listener that took this address had been seen to close just before.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        if case.mechanism() != Mechanism::NeverAccepted {
            return None;
        }
        let (known, closed) = case.emptied_listener().yes()?;
        let cause = Self {
            listener: known.listener.local,
            closed_by: closed.by.clone(),
            how: How::from(closed.exit),
            waiting: closed.waiting,
            tcp_migrate_req: case.sysctl("net.ipv4.tcp_migrate_req").and_then(|value| value.parse().ok()),
            closed_at: closed.at,
        };
        Some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("tcp", "the connection was complete and in no process's hands"),
            Evidence::at("listener", self.closed_at, format!("{} {}", self.listener, self.ended())),
            Evidence::new("queue", format!("{} waiting to be accepted at that moment", self.waiting)),
        ];
        lines.extend(self.closer());
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: self.fix(),
            ..Self::PAGE.advice.into()
        }
    }
}

impl ListenerClosedWithQueue {
    fn ended(&self) -> String {
        self.how.closed(self.closed_by.as_ref())
    }

    fn closer(&self) -> Option<Evidence> {
        Some(Evidence::new("process", self.closed_by.as_ref()?.described()?))
    }

    fn fix(&self) -> String {
        let drain = "stop new traffic first (fail readiness, wait), accept() the rest, then close";
        match self.tcp_migrate_req {
            Some(value) => format!("{drain}; with SO_REUSEPORT others can take over: net.ipv4.tcp_migrate_req (now {value})"),
            None => drain.into(),
        }
    }
}

impl fmt::Display for ListenerClosedWithQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the listener on {} was {} while this connection waited to be accepted", self.listener, self.ended())
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, Exit, Fact, SocketFile, TcpState};
    use crate::explain::story::Story;

    const LISTENER: &str = "0.0.0.0:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn never_accepted(rst: &mut ConnectionAborted) {
        (rst.socket.owned, rst.socket.inode) = (false, None);
        (rst.file, rst.locked) = (SocketFile::None, false);
        rst.task.command = "bystander".into();
    }

    fn reset(story: Story) -> Story {
        story.gives_up("10.0.0.1:80", CLIENT, never_accepted)
    }

    #[test]
    fn the_queue_of_a_closed_listener_is_reset() {
        let closed = |exit| reset(Story::new().opens(LISTENER).after(900).closes(LISTENER, exit)).said();
        let begin = "listener-closed-with-queue observed: the listener on 0.0.0.0:80 was closed";
        let end = "while this connection waited to be accepted";
        assert_eq!(closed(None), format!("{begin} by nginx[77] {end}"));
        assert_eq!(
            closed(Some(Exit::Signal(9))),
            format!("{begin} as nginx[77] was killed by SIGKILL (signal 9) {end}")
        );
    }

    #[test]
    fn the_listeners_owner_lost_it_and_not_who_was_running() {
        let story = reset(Story::new().opens(LISTENER).closes(LISTENER, None));
        let owner = story.verdicts().pop().unwrap().owner;
        assert_eq!(owner.map(|owner| owner.to_string()).as_deref(), Some("nginx[77]"));
    }

    #[test]
    fn the_remedy_quotes_the_knob_where_there_is_one() {
        let fix = |story: Story| reset(story.opens(LISTENER).closes(LISTENER, None)).remedy().fix;
        assert!(!fix(Story::new()).contains("tcp_migrate_req"));
        let knowing = Story::new().knowing("net.ipv4.tcp_migrate_req", "0");
        assert!(fix(knowing).ends_with("net.ipv4.tcp_migrate_req (now 0)"));
    }

    #[test]
    fn another_listener_or_namespace_emptied_no_queue_of_ours() {
        let other = Story::new().opens("0.0.0.0:81").closes("0.0.0.0:81", None);
        assert!(reset(other).said().starts_with("unexplained: no end of the listener"));
        let elsewhere = Story::new().within(2).opens(LISTENER).closes(LISTENER, None).within(1);
        assert_eq!(reset(elsewhere).code(), "unexplained");
    }

    #[test]
    fn a_listener_that_closed_long_ago_has_no_queue() {
        let story = Story::new().opens(LISTENER).closes(LISTENER, None).after(11_000);
        assert_eq!(reset(story).code(), "unexplained");
    }

    #[test]
    fn a_listener_that_closes_later_did_not_do_it() {
        let story = reset(Story::new().opens(LISTENER)).after(50).closes(LISTENER, None);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn after_a_loss_the_end_may_have_been_missed() {
        let story = Story::new().opens(LISTENER).after(900).loses_events(Fact::Listeners, 10);
        let said = reset(story.after(1)).said();
        assert_eq!(said, "unexplained: listeners: events were lost, so not having seen one proves nothing");
    }

    #[test]
    fn an_accepted_connection_did_not_wait() {
        let story = Story::new().opens(LISTENER).closes(LISTENER, None);
        let owned = story.gives_up("10.0.0.1:80", CLIENT, |rst| rst.unread = 4);
        assert_eq!(owned.code(), "closed-with-unread-data");
    }

    #[test]
    fn a_waiting_connection_that_somebody_destroys_is_another_story() {
        let story = Story::new().opens(LISTENER).closes(LISTENER, None);
        let destroyed = story.gives_up("10.0.0.1:80", CLIENT, |rst| {
            never_accepted(rst);
            (rst.socket.state, rst.locked) = (TcpState::Established, true);
        });
        assert_eq!(destroyed.code(), "admin-destroyed");
    }
}
