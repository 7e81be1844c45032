//! This host had closed the connection; the peer sent something all the same.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner, Time};
use crate::explain::case::Case;
use crate::explain::late_segment::{Ended, LateSegment};
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// A segment came for a connection that this end had given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerWroteAfterClose {
    pub local: Endpoint,
    pub peer: Endpoint,
    pub ended: Ended,
    /// Seconds before the segment; `null` where nothing keeps it.
    pub ended_ago_s: Option<f64>,
    /// The peer's kernel had acknowledged the end before: the two did not cross on the way.
    pub peer_knew: bool,
    /// Bytes of data that were refused.
    pub bytes: u32,
    /// Who listens on the local port: seldom another than who closed.
    pub server: Option<Owner>,
    #[serde(skip)]
    ended_at: Option<Time>,
}

impl Explains for PeerWroteAfterClose {
    const CODE: &'static str = "peer-wrote-after-close";
    const MEANING: &'static str = "this host had closed the connection before the peer's segment came";

    const PAGE: Page = Page {
        group: Group::AfterClose,
        about: "This host had closed the connection (or shut it down in both directions, or reset it), and the peer \
            sent something all the same. Nobody can take it, so the kernel answers with a RST. The peer's first \
            write after the close succeeds, the reset answers it, and the next call fails with ECONNRESET or EPIPE.",
        shown_by: "the end of the connection on this host, and data of the peer behind it",
        conditions: &[
            "The segment was late: it brought data or an end to the remains of a connection that this host had \
                closed first, or continues one that this host had ended by a RST.",
            "The connection is not known to have been idle for long when it was closed, which has a name of its own.",
        ],
        certainty: "observed; inferred where the idle time could only have been learnt from the other end and may \
            have been lost",
        alike: &[
            ("keep-alive-race", "the connection had been idle for a second or more when it was closed"),
            ("closed-with-unread-data", "the data had arrived before close()"),
            ("server-restarted", "the one that closed is gone, and a younger listener met the data"),
            ("wrote-after-peer-close", "the same, seen from the writing end"),
        ],
        advice: Advice {
            now: "the peer must reconnect; requests it had sent may be lost",
            fix: "read to the end before close(): shutdown(SHUT_WR), drain, close; agree on who closes first",
            trade_off: "waiting for the peer's end holds the socket until it comes, or a timer of yours ends it",
            do_not: "raise net.ipv4.tcp_fin_timeout: who has closed takes no more data, however long it waits",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "replies::a_request_right_behind_a_close_was_written_after_it" },
    };

    /// The close caused the reset when
    /// 1. the segment was late (see [`LateSegment::of`]), and
    /// 2. the connection is not known to have been idle for long when it was closed, which has a name of its own. Where
    ///    that could only be learnt from the other end, and what it told may have been lost, the close is inferred.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let late = LateSegment::of(case).filter(|late| !late.was_idle())?;
        let certain = late.idle.is_some() || !late.in_order() || case.would_know_receiver();
        let certainty = if certain { Certainty::Observed } else { Certainty::Inferred };
        Some((certainty, describe(case, &late)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![Evidence::new("tcp", self.refused()), self.end()];
        if self.peer_knew {
            lines.push(Evidence::new("tcp", "the peer had acknowledged the end: it could have known"));
        }
        if let Some(server) = &self.server {
            lines.push(Evidence::new("listener", format!("port {} is served by {server}", self.local.port)));
        }
        lines
    }
}

impl PeerWroteAfterClose {
    fn refused(&self) -> String {
        match self.bytes {
            0 => format!("a segment without data from {} was refused", self.peer),
            bytes => format!("{bytes} bytes from {} were refused", self.peer),
        }
    }

    fn end(&self) -> Evidence {
        let text = match self.ended {
            Ended::Closed if self.peer_knew => "closed here; its FIN was acknowledged, nobody holds the socket",
            Ended::Closed => "closed here; nobody holds the socket any more",
            Ended::Shutdown => "shut down in both directions by the application, which still holds the socket",
            Ended::Aborted => "reset by this host of its own accord",
            Ended::Refused => "an earlier segment of the peer was refused, which removed what was left",
        };
        Evidence { source: "tcp", at: self.ended_at, text: text.into() }
    }
}

impl fmt::Display for PeerWroteAfterClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.ended {
            Ended::Closed => "had closed this connection",
            Ended::Shutdown => "had shut this connection down",
            Ended::Aborted => "had reset this connection",
            Ended::Refused => "had refused this connection's late data",
        };
        write!(f, "{} {what}", self.local)?;
        if let Some(ago) = self.ended_ago_s {
            write!(f, " {ago:.3} s before")?;
        }
        match self.bytes {
            0 => f.write_str("; another segment of the peer came"),
            bytes => write!(f, "; the peer sent {bytes} more bytes"),
        }
    }
}

fn describe(case: &Case<'_>, late: &LateSegment) -> PeerWroteAfterClose {
    let flow = case.flow();
    PeerWroteAfterClose {
        local: flow.local,
        peer: flow.remote,
        ended: late.ended,
        ended_ago_s: late.ended_ago.as_ref().map(Duration::as_secs_f64),
        peer_knew: late.peer_knew,
        bytes: late.bytes,
        server: case.listener().yes().and_then(|known| known.owner.clone()),
        ended_at: late.ended_ago.map(|ago| case.time().minus(ago)),
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Fact, TcpState};
    use crate::explain::story::{Late, Story, talk};

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80").after(5)
    }

    #[test]
    fn data_for_what_is_left_of_a_closed_connection() {
        let said = served().late_segment(SERVER, CLIENT, Late::to_time_wait(3_200)).said();
        assert_eq!(
            said,
            "peer-wrote-after-close observed: 10.0.0.1:80 had closed this connection 3.200 s before; \
             the peer sent 4 more bytes"
        );
    }

    #[test]
    fn data_for_an_orphan_and_for_a_socket_shut_down() {
        let said = |late| served().late_segment(SERVER, CLIENT, late).said();
        let busy = talk().idle(20);
        assert_eq!(
            said(Late::to_orphan(busy)),
            "peer-wrote-after-close observed: 10.0.0.1:80 had closed this connection; the peer sent 4 more bytes"
        );
        assert_eq!(
            said(Late::to_orphan(busy).held()),
            "peer-wrote-after-close observed: 10.0.0.1:80 had shut this connection down; the peer sent 4 more bytes"
        );
    }

    #[test]
    fn a_connection_that_never_carried_both_ways_was_not_kept_alive() {
        let quiet = talk().idle(60_000).received(0);
        assert_eq!(served().late_segment(SERVER, CLIENT, Late::to_orphan(quiet)).code(), "peer-wrote-after-close");
    }

    #[test]
    fn the_segments_behind_the_first_meet_nobody_or_the_listener() {
        let first = || served().late_segment(SERVER, CLIENT, Late::to_time_wait(900)).after(1);
        let said = "peer-wrote-after-close observed: 10.0.0.1:80 had refused this connection's late data 0.001 s before; \
                    the peer sent 4 more bytes";
        assert_eq!(first().data_meets_listener(SERVER, CLIENT, 5).said(), said);
        assert_eq!(first().data_meets_nobody_after(SERVER, CLIENT, 5).said(), said);
    }

    #[test]
    fn the_segments_behind_an_abort_meet_the_listener() {
        let story = served().aborts(SERVER, CLIENT).after(2).data_meets_listener(SERVER, CLIENT, 5);
        assert_eq!(
            story.said(),
            "peer-wrote-after-close observed: 10.0.0.1:80 had reset this connection 0.002 s before; \
             the peer sent 4 more bytes"
        );
    }

    #[test]
    fn another_connection_between_the_same_ports_is_not_the_one_that_ended() {
        let far = 2_000_000_000;
        let story = served().aborts(SERVER, CLIENT).after(2).data_meets_listener(SERVER, CLIENT, far);
        assert_eq!(story.code(), "unexplained");
        let story = served().late_segment(SERVER, CLIENT, Late::to_time_wait(900)).after(2);
        assert_eq!(story.data_meets_nobody_after(SERVER, CLIENT, far).code(), "unexplained");
    }

    #[test]
    fn an_end_of_long_ago_or_of_another_connection_is_no_evidence() {
        let story = served().aborts(SERVER, CLIENT).after(3_600_000);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
        let story = served().aborts(SERVER, "10.0.0.9:40001").after(2);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
        let story = served().within(2).aborts(SERVER, CLIENT).within(1).after(2);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn a_listener_that_was_not_there_all_the_time_tells_another_story() {
        let story = served().aborts(SERVER, CLIENT).closes("0.0.0.0:80", None).after(900).opens("0.0.0.0:80");
        assert_eq!(story.after(5).data_meets_listener(SERVER, CLIENT, 5).code(), "server-restarted");
        let story = served().aborts(SERVER, CLIENT).after(50).loses_events(Fact::Listeners, 10).after(5);
        assert_eq!(story.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn an_acknowledgement_refused_without_data_is_no_write() {
        let said = served().late_segment(SERVER, CLIENT, Late::to_orphan(talk()).without_data()).said();
        assert!(said.starts_with("unexplained: why a segment without data was refused"), "{said}");
    }

    #[test]
    fn data_behind_the_peers_own_end_is_a_broken_peer() {
        let late = Late::to_orphan(talk()).behind_its_end();
        assert_eq!(served().late_segment(SERVER, CLIENT, late).code(), "unexplained");
    }

    #[test]
    fn a_new_connection_that_meets_the_remains_is_no_write() {
        let late = Late::to_time_wait(900).syn();
        assert_ne!(served().late_segment(SERVER, CLIENT, late).code(), "peer-wrote-after-close");
    }

    #[test]
    fn what_the_other_end_may_have_told_and_was_lost_weakens_it() {
        let story = served().after(200).loses_events(Fact::RstReceived, 5);
        let said = story.late_segment(SERVER, CLIENT, Late::to_time_wait(900)).said();
        assert!(said.starts_with("peer-wrote-after-close inferred"), "{said}");
    }

    #[test]
    fn who_takes_the_reset_is_told_the_same() {
        let story = served().late_segment(SERVER, CLIENT, Late::to_time_wait(900)).within(2);
        let verdicts = story.receives(CLIENT, SERVER, 5, TcpState::CloseWait).verdicts();
        assert_eq!(verdicts[1].joined, Some(1));
    }
}
