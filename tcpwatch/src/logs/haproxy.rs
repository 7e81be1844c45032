//! HAProxy: the termination state of its TCP and HTTP logs, which says who ended a session and in which phase.

use super::{Kind, Pattern};

const fn haproxy(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("HAProxy", words, regex, kind)
}

/// Behind timers, status and bytes, and before the counts of connections: `10/0/30/-1/109 502 208 - - SH-- 1/1/0/0/0`.
macro_rules! state {
    ($state:literal) => {
        concat!(
            r" (?:[+-]?\d+/){2,4}\+?-?\d+ (?:-?\d{1,3} )?\+?\d+ (?:\S+ \S+ )?",
            $state,
            r"(?:[A-Z-]{2})? \d+/\d+/"
        )
    };
}

pub(super) const PATTERNS: &[Pattern] = &[
    haproxy("SC (the server refused the connection)", state!("SC"), Kind::NotConnected)
        .connecting()
        .upstream(),
    haproxy("SH (the server ended it before its answer)", state!("SH"), Kind::Ended)
        .reading()
        .upstream(),
    haproxy("SD (the server ended it within its answer)", state!("SD"), Kind::Ended)
        .reading()
        .upstream(),
    haproxy("sC (connecting took too long)", state!("sC"), Kind::ConnectTooLong)
        .connecting()
        .upstream(),
    haproxy("sH, sD (the server took too long)", state!("s[HDQ]"), Kind::TookTooLong).upstream(),
    haproxy("CD, CH, CR (the client left)", state!("C[CDHRQ]"), Kind::ClientLeft).downstream(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn termination_states() {
        say(&[
            (
                r#"haproxy[18113]: 10.0.0.9:34548 [21/Nov/2026:15:18:55.798] px-http px-http/srv1 0/0/0/-1/5 502 208 - - SH-- 100/99/0/0/0 0/0 "GET / HTTP/1.0""#,
                "HAProxy: Ended reading upstream",
            ),
            (
                r#"haproxy[18989]: 10.0.0.9:34550 [21/Nov/2026:15:18:55.798] px-http px-http/srv1 0/0/-1/-1/8490 503 1841 - - SC-- 1/1/1/0/0 0/0 "GET / HTTP/1.0""#,
                "HAProxy: NotConnected connecting upstream",
            ),
            (
                "haproxy[14387]: 10.0.0.9:33313 [06/Feb/2026:12:12:51.443] fnt bck/srv1 0/0/5007 212 SD 0/0/0/0/3 0/0",
                "HAProxy: Ended reading upstream",
            ),
            (
                r#"haproxy[18989]: 10.0.0.9:34550 [21/Nov/2026:15:18:55.798] px-http px-http/srv1 0/15002/-1/-1/15002 503 212 - - sC-- 1/1/1/0/3 0/0 "GET / HTTP/1.0""#,
                "HAProxy: ConnectTooLong connecting upstream",
            ),
            (
                r#"haproxy[18989]: 10.0.0.9:34550 [21/Nov/2026:15:18:55.798] px-http px-http/srv1 0/0/1/-1/15002 504 195 - - sH-- 1/1/1/1/0 0/0 "GET / HTTP/1.0""#,
                "HAProxy: TookTooLong unsaid upstream",
            ),
            (
                r#"haproxy[18989]: 203.0.113.7:34550 [21/Nov/2026:15:18:55.798] px-http px-http/srv1 0/0/1/-1/849 -1 0 - - CH-- 1/1/1/0/0 0/0 "GET / HTTP/1.0""#,
                "HAProxy: ClientLeft unsaid downstream 203.0.113.7",
            ),
            (
                r#"haproxy[14389]: 10.0.1.2:33317 [06/Feb/2026:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {SC} {} "GET /SC HTTP/1.1""#,
                "nothing",
            ),
        ]);
    }
}
