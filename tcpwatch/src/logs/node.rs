//! Node.js: the system call and the name of the error number, and words of its HTTP client.

use super::{Kind, Pattern};

const fn node(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("Node.js", words, regex, kind)
}

/// axios gives the code ECONNABORTED to its own timer, and `socket hang up` has the code ECONNRESET, though no RST need have come.
pub(super) const PATTERNS: &[Pattern] = &[
    node("timeout of …ms exceeded", r"\btimeout of \d+ms exceeded\b", Kind::TookTooLong),
    node("socket hang up", r"\bsocket hang up\b", Kind::Ended).reading(),
    node("read ECONNRESET", r"\bread ECONNRESET\b", Kind::Reset).reading(),
    node("write ECONNRESET", r"\bwrite ECONNRESET\b", Kind::Reset).writing(),
    node("connect ECONNRESET …", r"\bconnect ECONNRESET\b", Kind::ResetAtStart).connecting(),
    node("write EPIPE", r"\bwrite EPIPE\b", Kind::BrokenPipe).writing(),
    node("connect ECONNREFUSED …", r"\bconnect ECONNREFUSED\b", Kind::Refused).connecting(),
    node("connect ETIMEDOUT …", r"\bconnect ETIMEDOUT\b", Kind::DialTimedOut).connecting(),
    node("read ETIMEDOUT", r"\bread ETIMEDOUT\b", Kind::PeerSilent).reading(),
    node("connect EHOSTUNREACH …", r"\bconnect (?:EHOSTUNREACH|ENETUNREACH)\b", Kind::NoRoute)
        .connecting(),
    node("connect EADDRNOTAVAIL …", r"\bconnect EADDRNOTAVAIL\b", Kind::NoPort).connecting(),
    node(
        "Client network socket disconnected before secure TLS connection was established",
        r"\bsocket disconnected before secure TLS connection was established\b",
        Kind::Ended,
    )
    .connecting(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn errors() {
        say(&[
            ("Error: socket hang up", "Node.js: Ended reading unsaid"),
            (
                "AxiosError: timeout of 1000ms exceeded { code: 'ECONNABORTED' }",
                "Node.js: TookTooLong unsaid unsaid",
            ),
            // Of a test that took too long, and of a setting.
            ("Error: Timeout of 2000ms exceeded. For async tests and hooks", "nothing"),
            ("with a timeout of 1000ms", "nothing"),
            ("Error: read ECONNRESET", "Node.js: Reset reading unsaid"),
            ("Error: write EPIPE", "Node.js: BrokenPipe writing unsaid"),
            (
                "Error: connect ECONNREFUSED 127.0.0.1:8080",
                "Node.js: Refused connecting unsaid 127.0.0.1:8080",
            ),
            (
                "Error: connect ECONNREFUSED ::1:8080",
                "Node.js: Refused connecting unsaid [::1]:8080",
            ),
            (
                "Error: connect ETIMEDOUT 10.0.0.5:443",
                "Node.js: DialTimedOut connecting unsaid 10.0.0.5:443",
            ),
            (
                "Error: connect EHOSTUNREACH 10.0.0.5:443",
                "Node.js: NoRoute connecting unsaid 10.0.0.5:443",
            ),
            (
                "{ errno: -111, code: 'ECONNREFUSED', syscall: 'connect', address: '10.0.0.5', port: 8080 }",
                "errno: Refused connecting unsaid 10.0.0.5:8080",
            ),
        ]);
    }
}
