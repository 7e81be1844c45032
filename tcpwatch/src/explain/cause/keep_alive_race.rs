//! A connection was closed after some idle time, just as the other end had something to say again.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Flow, Owner, Time};
use crate::explain::case::Case;
use crate::explain::foreign::{Met, at_best};
use crate::explain::late_segment::LateSegment;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::timers;
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// One end's idle timer ended the connection; the other end's next request was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeepAliveRace {
    pub closer: Endpoint,
    pub writer: Endpoint,
    /// The closer is on this host.
    pub closed_here: bool,
    /// Seconds without data before the close.
    pub idle_s: f64,
    /// Whose idle timer that is by default: a hint.
    pub timers: Vec<&'static str>,
    pub request: Request,
    /// Who listens on the closer's port, where that is on this host.
    pub server: Option<Owner>,
    #[serde(skip)]
    closed_at: Option<Time>,
}

/// How request and close passed each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// They crossed on the way.
    Crossed,
    /// The close had arrived when the request was sent: the writer did not look.
    Behind,
}

impl Explains for KeepAliveRace {
    const CODE: &'static str = "keep-alive-race";
    const MEANING: &'static str = "an idle connection was closed just when the other end sent its next request";

    const PAGE: Page = Page {
        group: Group::AfterClose,
        about: "A connection was kept alive between two requests (HTTP keep-alive, a pool). One end's idle timer \
            closed it, and the other end's next request was on its way, or was sent all the same. The closer has no \
            socket for it any more and answers with a RST; the writer gets ECONNRESET, EPIPE or an early end. It is \
            the usual reason for a steady, low rate of 502 and 503 behind proxies and load balancers.",
        shown_by: "how long the connection was idle before it was closed, who closed it, and data that came after",
        conditions: &[
            "Data had gone both ways, then none for a second or more, and this host closed the connection in \
                order before a segment with data came; or",
            "the peer, a server elsewhere, ended such a connection in order, and a reset met what this host had \
                sent and that was not acknowledged.",
        ],
        certainty: "observed; inferred where the reset came from elsewhere and no packet shows that it answers the \
            request",
        alike: &[
            ("peer-wrote-after-close", "the connection is not known to have been idle before it was closed"),
            (
                "wrote-after-peer-close",
                "the peer had ended the connection, which is not known to have been idle before",
            ),
            ("closed-with-unread-data", "the request had arrived before close(), and was not read"),
            ("server-restarted", "the closer is gone, and a younger listener met the request"),
        ],
        advice: Advice {
            now: "repeat the request on a new connection, if it may be repeated",
            fix: "who sends requests must close first: its idle limit below the closer's, or the closer's above it, \
                on every hop",
            trade_off: "longer idle limits keep more connections open",
            do_not: "turn HTTP keep-alive off everywhere; repeat requests that are not idempotent",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "replies::a_request_behind_a_close_after_a_pause_is_a_keep_alive_race",
        },
    };

    /// The race caused the reset when data had gone both ways, then none for at least [`timers::IDLE`], and either
    /// 1. this host closed the connection in order, and then a segment with data came (see [`LateSegment::of`]), or
    /// 2. the peer, a server elsewhere, ended it in order, and then a reset met what this host had sent and that was
    ///    not acknowledged (see [`Met::of`]).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        here(case).map(|cause| (Certainty::Observed, cause)).or_else(|| elsewhere(case))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let request = match self.request {
            Request::Crossed => "the next request crossed that on the way",
            Request::Behind => "the next request was sent when that had arrived",
        };
        let closed = format!("{} closed the connection in order (FIN)", self.closer);
        let mut lines = vec![
            Evidence { source: "tcp", at: self.closed_at, text: closed },
            Evidence::new("tcp", format!("no data for {:.3} s before that{}", self.idle_s, self.likely_timer())),
            Evidence::new("tcp", format!("{request}, from {}", self.writer)),
        ];
        if let Some(server) = &self.server {
            lines.push(Evidence::new("listener", format!("port {} is served by {server}", self.closer.port)));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: format!(
                "who sends requests must close first: its idle limit below {:.0} s, or the closer's above it",
                self.idle_s
            ),
            ..Self::PAGE.advice.into()
        }
    }
}

impl KeepAliveRace {
    fn likely_timer(&self) -> String {
        match self.timers.as_slice() {
            [] => String::new(),
            timers => format!(", as by default: {}", timers.join(", ")),
        }
    }
}

impl fmt::Display for KeepAliveRace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.request {
            Request::Crossed => "as the next request was on its way",
            Request::Behind => "and the next request was sent all the same",
        };
        write!(f, "{} closed this connection after {:.1} s without data, {how}", self.closer, self.idle_s)
    }
}

/// Condition 1.
fn here(case: &Case<'_>) -> Option<KeepAliveRace> {
    let late = LateSegment::of(case).filter(LateSegment::was_idle)?;
    let Flow { local: closer, remote: writer } = case.flow();
    let request = if late.peer_knew { Request::Behind } else { Request::Crossed };
    let server = case.listener().yes().and_then(|known| known.owner.clone());
    let closed_at = late.ended_ago.map(|ago| case.time().minus(ago));
    Some(KeepAliveRace { closed_here: true, server, closed_at, ..race(closer, writer, late.idle?, request) })
}

/// Condition 2.
fn elsewhere(case: &Case<'_>) -> Option<(Certainty, KeepAliveRace)> {
    let Met::WriteAfterEnd(write) = Met::of(case)? else { return None };
    let idle = write.idle.filter(|_| write.was_idle())?;
    let Flow { local: writer, remote: closer } = case.flow();
    let request = if write.written_ago > write.ended_ago { Request::Crossed } else { Request::Behind };
    let closed_at = Some(case.time().minus(write.ended_ago));
    Some((at_best(case, write.certainty()), KeepAliveRace { closed_at, ..race(closer, writer, idle, request) }))
}

fn race(closer: Endpoint, writer: Endpoint, idle: Duration, request: Request) -> KeepAliveRace {
    KeepAliveRace {
        closer,
        writer,
        closed_here: false,
        idle_s: idle.as_secs_f64(),
        timers: timers::that_fit(idle),
        request,
        server: None,
        closed_at: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Acknowledged, TcpState};
    use crate::explain::story::{Late, Story, talk};

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";
    const ELSEWHERE: &str = "192.0.2.1:80";
    const HERE: &str = "10.0.0.1:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80").after(5)
    }

    /// This host is the client, and wrote to a server elsewhere that had ended the connection.
    fn wrote(talk: crate::explain::story::Talk) -> Story {
        Story::new().after(5).takes(HERE, ELSEWHERE, TcpState::CloseWait, talk, Acknowledged::Nothing)
    }

    #[test]
    fn a_request_that_crosses_our_close() {
        let said = served().late_segment(SERVER, CLIENT, Late::to_orphan(talk().idle(75_000))).said();
        assert_eq!(
            said,
            "keep-alive-race observed: 10.0.0.1:80 closed this connection after 75.0 s without data, \
             as the next request was on its way"
        );
    }

    #[test]
    fn a_request_behind_our_close() {
        let late = Late::to_orphan(talk().idle(5_000)).acknowledging_the_end();
        let said = served().late_segment(SERVER, CLIENT, late).said();
        assert!(said.ends_with("and the next request was sent all the same"), "{said}");
    }

    #[test]
    fn how_long_it_was_idle_is_learnt_from_the_other_end() {
        let talk = talk().idle(5_000).heard(700).written(1);
        let story = served().within(2).takes(CLIENT, SERVER, TcpState::CloseWait, talk, Acknowledged::Unseen);
        let verdicts = story.within(1).late_segment(SERVER, CLIENT, Late::to_time_wait(700)).verdicts();
        let said: Vec<_> = verdicts.iter().map(crate::explain::story::told).collect();
        let expected = "keep-alive-race observed: 10.0.0.1:80 closed this connection after 4.3 s without data, \
                        and the next request was sent all the same";
        assert_eq!(said, [expected, expected], "both ends");
    }

    #[test]
    fn a_close_shortly_after_the_answer_is_no_race_for_an_idle_connection() {
        let late = || Late::to_orphan(talk().idle(60_000).transmitted(59_900));
        let story = served().late_segment(SERVER, CLIENT, late().acknowledging_the_end());
        assert_eq!(story.code(), "peer-wrote-after-close");
        assert_eq!(served().late_segment(SERVER, CLIENT, late().repeated(3)).code(), "peer-wrote-after-close");
    }

    #[test]
    fn a_request_that_crosses_the_servers_close() {
        let said = wrote(talk().idle(60_010).heard(8).written(12).unacknowledged(90)).said();
        assert_eq!(
            said,
            "keep-alive-race observed: 192.0.2.1:80 closed this connection after 60.0 s without data, \
             as the next request was on its way"
        );
    }

    #[test]
    fn a_request_long_behind_the_servers_close() {
        let said = wrote(talk().idle(12_000).heard(7_000).written(4).unacknowledged(90)).said();
        assert_eq!(
            said,
            "keep-alive-race observed: 192.0.2.1:80 closed this connection after 5.0 s without data, \
             and the next request was sent all the same"
        );
    }

    #[test]
    fn who_does_not_see_the_packet_infers() {
        let talk = talk().idle(60_010).heard(8).written(12).unacknowledged(90);
        for form in [Acknowledged::Unseen, Acknowledged::Number(7)] {
            let said = Story::new().after(5).takes(HERE, ELSEWHERE, TcpState::CloseWait, talk, form).said();
            assert!(said.starts_with("keep-alive-race inferred"), "{said}");
        }
    }

    #[test]
    fn a_client_that_ended_its_side_waits_for_an_answer_and_races_nobody() {
        let talk = talk().idle(60_010).heard(8).written(12).unacknowledged(90);
        let story = served().takes(SERVER, "192.0.2.9:40000", TcpState::CloseWait, talk, Acknowledged::Nothing);
        assert_eq!(story.code(), "wrote-after-peer-close");
    }

    #[test]
    fn without_a_pause_or_anything_said_before_it_is_no_race() {
        assert_eq!(wrote(talk().idle(400).heard(8).written(2).unacknowledged(90)).code(), "wrote-after-peer-close");
        let first = talk().idle(9_000).heard(8).written(2).unacknowledged(90).received(0);
        assert_eq!(wrote(first).code(), "wrote-after-peer-close");
    }

    #[test]
    fn a_reset_when_all_was_acknowledged_is_the_peers_own() {
        assert_eq!(wrote(talk().idle(60_000).heard(8)).code(), "peer-reset");
    }
}
