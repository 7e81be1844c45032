//! A listener that answers with SYN cookies got an ACK that is no valid cookie.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Owner, RstSent, Time};
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// The kernel keeps nothing of a handshake that it answers with a cookie; the ACK must bring it back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SynCookieFailed {
    pub listener: Endpoint,
    pub owner: Option<Owner>,
    /// Seconds since the listener answered a SYN with a cookie, any client's.
    pub cookies_ago_s: f64,
    /// `net.ipv4.tcp_syncookies` of this namespace: 1 when the SYN queue is full, 2 always.
    pub syncookies: u32,
    /// Handshakes without cookie under way.
    pub syn_queue_len: u32,
    #[serde(skip)]
    cookies_at: Time,
}

impl Explains for SynCookieFailed {
    const CODE: &'static str = "syn-cookie-failed";
    const MEANING: &'static str = "an ACK that should complete a handshake by SYN cookie was no valid cookie";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "The listener answers SYNs with cookies, as its SYN queue is full or cookies are always on, and keeps \
            nothing of such handshakes. An ACK came that should complete one and is no valid cookie: too old, \
            changed on the way, or no handshake's at all. The kernel answers with a RST.",
        shown_by: "an ACK without data at a listener that sent a cookie less than two minutes before",
        conditions: &[
            "An ACK without data and without connection reached a listener, as the end of a handshake does.",
            "This namespace uses SYN cookies, and the listener answered a SYN with one in the two minutes for \
                which they are good.",
            "The handshake did not lose its ACK to a full accept queue.",
        ],
        certainty: "inferred: whether the ACK was ever meant as a cookie, nobody can tell",
        alike: &[
            ("accept-queue-overflow", "the last ACK of this handshake was dropped at a full accept queue"),
            ("bad-handshake-ack", "a handshake is kept, and the ACK does not fit it"),
            ("server-restarted", "data, and not a bare ACK, met a listener younger than the connection"),
        ],
        advice: Advice {
            now: "see whether SYNs come from clients or from an attack: rate and sources of SYN_RECV",
            fix: "raise listen() backlog and net.ipv4.tcp_max_syn_backlog, so that fewer handshakes need cookies",
            trade_off: "a longer SYN queue takes memory for every SYN, also for those of an attack",
            do_not: "set net.ipv4.tcp_syncookies = 0: then what finds the queue full is dropped",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "replies::an_ack_that_is_no_valid_cookie_is_told_while_cookies_are_in_use",
        },
    };

    /// The failed cookie caused the reset when
    /// 1. an ACK without data and without connection reached a listener, as the end of a handshake does,
    /// 2. this namespace uses SYN cookies, and the listener answered a SYN with one in the two minutes for which they
    ///    are good: then the kernel took the ACK for a cookie and found it wrong (net/ipv4/syncookies.c,
    ///    `cookie_v4_check`, SyncookiesFailed), and
    /// 3. the handshake did not lose its ACK to a full accept queue.
    ///
    /// Whether the ACK was ever meant as one, nobody can tell: it is inferred.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.reply().filter(|_| case.mechanism() == Mechanism::AckToListener)?;
        let ends_a_handshake = rst.segment.payload == 0 && !rst.segment.flags.fin();
        let syncookies = case.sysctl("net.ipv4.tcp_syncookies")?.parse().ok().filter(|mode| *mode > 0)?;
        let overflowed = case.overflow_of_connection().yes().is_some();
        let cause = describe(case, rst, syncookies)?;
        (ends_a_handshake && !overflowed).then_some((Certainty::Inferred, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let uses = match self.syncookies {
            1 => "cookies when the SYN queue is full",
            _ => "cookies always",
        };
        vec![
            Evidence::new("tcp", "an ACK without data that belongs to no connection, and is no valid cookie"),
            Evidence::at("listener", self.cookies_at, format!("{} answered a SYN with a cookie{}", self.listener, held_by(self.owner.as_ref()))),
            Evidence::new("sysctl", format!("net.ipv4.tcp_syncookies = {} here: {uses}", self.syncookies)),
            Evidence::new("queue", format!("{} handshakes without cookie under way", self.syn_queue_len)),
        ]
    }
}

impl fmt::Display for SynCookieFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers with SYN cookies, and this ACK is none of them: too old, changed on the way, or no handshake's",
            self.listener
        )
    }
}

fn describe(case: &Case<'_>, rst: &RstSent, syncookies: u32) -> Option<SynCookieFailed> {
    let ago = rst.cookies_ago.filter(|ago| *ago <= GOOD)?;
    let known = case.listener().yes();
    Some(SynCookieFailed {
        listener: known.map_or(rst.flow.local, |known| known.listener.local),
        owner: known.and_then(|known| known.owner.clone()),
        cookies_ago_s: ago.as_secs_f64(),
        syncookies,
        syn_queue_len: rst.socket?.syn_queue_len?,
        cookies_at: rst.time.minus(ago),
    })
}

fn held_by(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!("; held by {owner}"))
}

/// `TCP_SYNCOOKIE_VALID` (include/net/tcp.h).
const GOOD: std::time::Duration = std::time::Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use crate::explain::story::Story;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80").after(5)
    }

    #[test]
    fn a_lone_ack_to_a_listener_that_uses_cookies() {
        assert_eq!(
            served().ack_meets_cookies(SERVER, CLIENT, 40_000, 0).said(),
            "syn-cookie-failed inferred: 0.0.0.0:80 answers with SYN cookies, and this ACK is none of them: too old, \
             changed on the way, or no handshake's"
        );
    }

    #[test]
    fn cookies_that_are_no_longer_good_are_not_looked_at() {
        assert_eq!(served().ack_meets_cookies(SERVER, CLIENT, 121_000, 0).code(), "unexplained");
    }

    #[test]
    fn a_listener_without_cookies_checks_none() {
        assert_eq!(served().lone_ack_meets_listener(SERVER, CLIENT).code(), "unexplained");
    }

    #[test]
    fn data_belongs_to_a_connection_that_was_complete() {
        assert_eq!(served().ack_meets_cookies(SERVER, CLIENT, 40_000, 4).code(), "unexplained");
    }

    #[test]
    fn a_handshake_dropped_for_a_full_queue_explains_better() {
        let story = served().overflows(SERVER, CLIENT, 1000).after(900).ack_meets_cookies(SERVER, CLIENT, 40_000, 0);
        assert_eq!(story.code(), "accept-queue-overflow");
    }

    #[test]
    fn another_namespace_without_its_sysctls_proves_nothing() {
        let story = Story::new().within(5).finds("0.0.0.0:80").ack_meets_cookies(SERVER, CLIENT, 40_000, 0);
        assert_eq!(story.code(), "unexplained");
    }
}
