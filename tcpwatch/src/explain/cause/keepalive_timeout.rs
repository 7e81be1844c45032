//! The peer did not answer TCP keepalive any more.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// The kernel gave up on a silent peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeepaliveTimeout {
    /// Probes without an answer.
    pub probes: u8,
    /// Milliseconds: `TCP_USER_TIMEOUT` of the socket, which then decides in place of the number of probes; 0 = not set.
    pub user_timeout_ms: u32,
    /// Seconds since the peer last acknowledged anything; absent where the source does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_s: Option<f64>,
    pub defaults: Defaults,
}

/// What sockets without settings of their own get in this namespace (`net.ipv4.tcp_keepalive_*`); `null` when not
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Defaults {
    /// Seconds of silence before the first probe.
    pub time_s: Option<u32>,
    /// Seconds between probes.
    pub intvl_s: Option<u32>,
    pub probes: Option<u32>,
}

impl Explains for KeepaliveTimeout {
    const CODE: &'static str = "keepalive-timeout";
    const MEANING: &'static str = "the peer answered no keepalive probe (or TCP_USER_TIMEOUT ran out)";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "TCP keepalive was on, and the peer answered none of the probes: it is gone, or something between \
            forgot the connection. The kernel gave up, sent a RST and reports ETIMEDOUT to the application here.",
        shown_by: "the timer of keepalive giving up, the number of probes without an answer, and how long the peer \
            was silent",
        conditions: &[
            "The timer of keepalive gave the connection up, which it does only after probes without an answer.",
        ],
        certainty: "stated where the kernel gives the reason TCP_KEEPALIVE_TIMEOUT, else observed",
        alike: &[
            ("admin-destroyed", "a process asked for it"),
            (
                "out-of-memory-or-orphans",
                "a timer gave the connection up for want of room, and its owner had closed it before",
            ),
        ],
        advice: Advice {
            now: "see whether the peer is gone, or a NAT or firewall between forgot the connection",
            fix: "where a middlebox forgets idle connections: TCP_KEEPIDLE well below its timer, on either end; \
                where TCP_USER_TIMEOUT decides: set it above the outages to be survived",
            trade_off: "probes that come often find dead peers soon, and give up in short outages too",
            do_not: "turn keepalive off: connections to dead peers then stay for ever",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_peer_that_answers_no_probe" },
    };

    /// The silence caused the reset when
    /// 1. the timer of keepalive gave the connection up (net/ipv4/tcp_timer.c, `tcp_keepalive_timer`), which it does
    ///    only after probes without an answer.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort().filter(|_| case.mechanism() == Mechanism::KeepaliveTimeout)?;
        let stated = rst.reason.as_deref() == Some("TCP_KEEPALIVE_TIMEOUT");
        let certainty = if stated { Certainty::Stated } else { Certainty::Observed };
        let cause = Self {
            probes: rst.probes,
            user_timeout_ms: rst.user_timeout,
            silent_s: rst.silence.map(|ms| f64::from(ms) / 1000.0),
            defaults: Defaults::of(case),
        };
        Some((certainty, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![Evidence::new("tcp", format!("{} keepalive probes without an answer", self.probes))];
        lines.extend(self.silent_s.map(|s| Evidence::new("tcp", format!("the peer had last acknowledged {s:.1} s before"))));
        if self.user_timeout_ms > 0 {
            lines.push(Evidence::new("socket", format!("TCP_USER_TIMEOUT = {} ms decides", self.user_timeout_ms)));
        }
        lines.push(Evidence::new("sysctl", self.defaults.to_string()));
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: self.fix(),
            ..Self::PAGE.advice.into()
        }
    }
}

impl KeepaliveTimeout {
    fn fix(&self) -> String {
        if self.user_timeout_ms > 0 {
            return format!("set TCP_USER_TIMEOUT (now {} ms) above the outages to be survived", self.user_timeout_ms);
        }
        "where a middlebox forgets idle connections: TCP_KEEPIDLE well below its timer, on either end".into()
    }
}

impl fmt::Display for KeepaliveTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer left {} keepalive probes unanswered", self.probes)?;
        if self.user_timeout_ms > 0 {
            write!(f, " for longer than TCP_USER_TIMEOUT, {} ms", self.user_timeout_ms)?;
        }
        Ok(())
    }
}

impl Defaults {
    fn of(case: &Case<'_>) -> Self {
        let value = |name| case.sysctl(name)?.parse().ok();
        Self {
            time_s: value("net.ipv4.tcp_keepalive_time"),
            intvl_s: value("net.ipv4.tcp_keepalive_intvl"),
            probes: value("net.ipv4.tcp_keepalive_probes"),
        }
    }
}

impl fmt::Display for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |value: Option<u32>| value.map_or_else(|| "?".into(), |value| value.to_string());
        write!(
            f,
            "net.ipv4.tcp_keepalive_time/intvl/probes = {}/{}/{} here, unless the socket has its own",
            or_unknown(self.time_s),
            or_unknown(self.intvl_s),
            or_unknown(self.probes)
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, SocketFile, TcpState};
    use crate::explain::story::Story;

    fn timed_out(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
            rst.socket.state = TcpState::Established;
            rst.socket.keepalive = true;
            (rst.locked, rst.file, rst.probes) = (false, SocketFile::Open, 3);
            rst.silence = Some(3000);
            because(rst);
        })
    }

    #[test]
    fn probes_run_out() {
        let said = "the peer left 3 keepalive probes unanswered";
        assert_eq!(timed_out(|_| {}).said(), format!("keepalive-timeout observed: {said}"));
        let stated = timed_out(|rst| rst.reason = Some("TCP_KEEPALIVE_TIMEOUT".into()));
        assert_eq!(stated.said(), format!("keepalive-timeout stated: {said}"));
    }

    #[test]
    fn the_user_timeout_decides_where_it_is_set() {
        let story = || timed_out(|rst| rst.user_timeout = 2500);
        assert!(story().said().ends_with("unanswered for longer than TCP_USER_TIMEOUT, 2500 ms"));
        assert!(story().remedy().fix.contains("(now 2500 ms)"));
    }

    #[test]
    fn settings_of_the_right_namespace_are_quoted() {
        let story = Story::new().namespace(2, &["10.0.0.2"], false);
        let story = story.knowing("net.ipv4.tcp_keepalive_time", "600").namespace(1, &["10.0.0.1"], false);
        let story = story.knowing("net.ipv4.tcp_keepalive_time", "7200").after(1);
        let stated = |rst: &mut ConnectionAborted| {
            rst.reason = Some("TCP_KEEPALIVE_TIMEOUT".into());
            rst.silence = Some(3000);
        };
        let evidence = story.gives_up("10.0.0.1:80", "10.0.0.9:40000", stated).evidence();
        assert!(evidence.contains("time/intvl/probes = 7200/?/? here"), "{evidence}");
        assert!(evidence.contains("last acknowledged 3.0 s before"), "{evidence}");
    }

    #[test]
    fn without_a_word_every_sign_is_needed() {
        let miss = |because: fn(&mut ConnectionAborted)| timed_out(because).code();
        assert_eq!(miss(|rst| rst.probes = 0), "unexplained");
        assert_eq!(miss(|rst| rst.socket.keepalive = false), "unexplained");
        assert_eq!(miss(|rst| rst.unacknowledged = true), "unexplained");
        assert_eq!(miss(|rst| rst.file = SocketFile::Unknown), "unexplained");
        assert_eq!(miss(|rst| rst.reason = Some("TCP_STATE".into())), "unexplained");
        assert_eq!(miss(|rst| rst.locked = true), "admin-destroyed");
        assert_eq!(miss(|rst| rst.socket.state = TcpState::Close), "unexplained");
    }

    #[test]
    fn an_orphan_in_fin_wait2_ends_by_another_timer() {
        let story = timed_out(|rst| {
            rst.socket.state = TcpState::FinWait2;
            (rst.socket.owned, rst.socket.dead, rst.file) = (false, true, SocketFile::None);
        });
        let said = story.said();
        assert!(said.starts_with("unexplained: why the peer kept its end open"), "{said}");
    }
}
