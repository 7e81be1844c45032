//! Go: the operation, both addresses and the words of the error number; its HTTP client and gRPC.

use super::{Kind, Pattern};

const fn go(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("Go", words, regex, kind)
}

pub(super) const PATTERNS: &[Pattern] = &[
    go("read tcp …: read: connection reset by peer", r"\bread: connection reset by peer\b", Kind::Reset).reading(),
    go("write tcp …: write: connection reset by peer", r"\bwrite: connection reset by peer\b", Kind::Reset).writing(),
    go("write tcp …: write: broken pipe", r"\bwrite: broken pipe\b", Kind::BrokenPipe).writing(),
    go("dial tcp …: connect: connection refused", r"\bconnect: connection refused\b", Kind::Refused).connecting(),
    go("dial tcp …: connect: connection reset by peer", r"\bconnect: connection reset by peer\b", Kind::ResetAtStart)
        .connecting(),
    go(
        "dial tcp …: connect: no route to host",
        r"\bconnect: (?:no route to host|network is unreachable|host is unreachable)\b",
        Kind::NoRoute,
    )
    .connecting(),
    go("dial tcp …: connect: connection timed out", r"\bconnect: (?:connection|operation) timed out\b", Kind::DialTimedOut)
        .connecting(),
    go(
        "dial tcp …: connect: cannot assign requested address",
        r"\bconnect: cannot assign requested address\b",
        Kind::NoPort,
    )
    .connecting(),
    go("read tcp …: read: connection timed out", r"\bread: connection timed out\b", Kind::PeerSilent).reading(),
    go("dial tcp …: i/o timeout", r"\bdial tcp\S* \S+ i/o timeout\b", Kind::ConnectTooLong).connecting(),
    go("read tcp …: i/o timeout", r"\b(?:read|write) (?:tcp|udp)\S* \S+ i/o timeout\b", Kind::TookTooLong),
    go(
        "… (Client.Timeout exceeded while awaiting headers)",
        r"\(Client\.Timeout (?:or context cancellation )?(?:exceeded )?while ",
        Kind::TookTooLong,
    ),
    go("http: server closed idle connection", r"\bserver closed idle connection\b", Kind::ClosedEarly),
    go("use of closed network connection", r"\buse of closed network connection\b", Kind::ClosedHere),
    go(
        "Get \"http://…\": EOF",
        r#"\b(?:Get|Head|Post|Put|Patch|Delete|Options) "?https?://[^\s"]+"?: (?:unexpected )?EOF\b"#,
        Kind::ClosedEarly,
    )
    .reading(),
    Pattern::new(
        "gRPC",
        "code = Unavailable desc = error reading from server: EOF",
        r"\berror reading from server: EOF\b|\bconnection closed before server preface received\b|\btransport is closing\b",
        Kind::ClosedEarly,
    )
    .reading(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn errors() {
        say(&[
            (
                r#"Get "http://10.0.0.5:8080/": read tcp 10.0.0.9:40000->10.0.0.5:8080: read: connection reset by peer"#,
                "Go: Reset reading unsaid 10.0.0.5:8080",
            ),
            (
                "http: read tcp 10.0.0.5:443->10.0.0.9:51512: read: connection reset by peer",
                "Go: Reset reading unsaid 10.0.0.5:443",
            ),
            (
                "write tcp [fd00::9]:40000->[fd00::5]:8080: write: broken pipe",
                "Go: BrokenPipe writing unsaid [fd00::5]:8080",
            ),
            (
                "dial tcp 10.0.0.5:8080: connect: connection refused",
                "Go: Refused connecting unsaid 10.0.0.5:8080",
            ),
            (
                "dial tcp 10.0.0.5:8080: i/o timeout",
                "Go: ConnectTooLong connecting unsaid 10.0.0.5:8080",
            ),
            (
                "read tcp 10.0.0.9:40000->10.0.0.5:8080: i/o timeout",
                "Go: TookTooLong unsaid unsaid 10.0.0.5:8080",
            ),
            (
                "dial tcp 10.0.0.5:8080: connect: no route to host",
                "Go: NoRoute connecting unsaid 10.0.0.5:8080",
            ),
            (r#"Post "http://shop/cart": EOF"#, "Go: ClosedEarly reading unsaid"),
            (
                "accept tcp [::]:8080: use of closed network connection",
                "Go: ClosedHere unsaid unsaid",
            ),
            (
                "rpc error: code = Unavailable desc = error reading from server: read tcp 10.0.0.9:40000->10.0.0.5:50051: read: connection reset by peer",
                "Go: Reset reading unsaid 10.0.0.5",
            ),
            (
                "rpc error: code = Unavailable desc = error reading from server: EOF",
                "gRPC: ClosedEarly reading unsaid",
            ),
            (
                r#"Get "http://shop/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"#,
                "Go: TookTooLong unsaid unsaid",
            ),
        ]);
    }
}
