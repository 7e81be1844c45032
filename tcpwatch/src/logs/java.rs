//! Java: exceptions of the platform, Apache HttpClient and Reactor Netty.

use super::{Kind, Pattern};

const fn java(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("Java", words, regex, kind)
}

pub(super) const PATTERNS: &[Pattern] = &[
    java(
        "SocketException: Connection reset",
        r"(?:SocketException|IOException|SSLException|NativeIoException): (?:\S+ )?Connection reset(?: by peer)?(?:\s|$|[;,)])",
        Kind::Reset,
    ),
    java(
        "SSLHandshakeException: Remote host terminated the handshake",
        r"\bRemote host (?:terminated the handshake|closed connection during handshake)",
        Kind::Ended,
    )
    .connecting(),
    java("IOException: Broken pipe", r"\b(?:SocketException|IOException|NativeIoException): Broken pipe\b", Kind::BrokenPipe)
        .writing(),
    java("ConnectException: Connection refused", r"ConnectException: .*Connection refused", Kind::Refused).connecting(),
    java("NoRouteToHostException: No route to host", r"\bNoRouteToHostException\b", Kind::NoRoute).connecting(),
    java(
        "ConnectException: Connection timed out",
        r"\bConnectException: Connection timed out\b",
        Kind::DialTimedOut,
    )
    .connecting(),
    java(
        "SocketTimeoutException: Connect timed out",
        r"(?i)\b(?:connect timed out|ConnectTimeoutException|HttpConnectTimeoutException)\b",
        Kind::ConnectTooLong,
    )
    .connecting(),
    java("SocketTimeoutException: Read timed out", r"\bRead timed out\b|\bReadTimeoutException\b", Kind::TookTooLong)
        .reading(),
    java("NoHttpResponseException: … failed to respond", r"\bNoHttpResponseException\b", Kind::ClosedEarly).reading(),
    java(
        "Premature EOF, PrematureCloseException",
        r"\bPremature EOF\b|\bPrematureCloseException\b|\bPremature end of (?:Content-Length|chunk)",
        Kind::ClosedEarly,
    )
    .reading(),
    java(
        "SocketException: Software caused connection abort",
        r"(?:SocketException|IOException): Software caused connection abort\b",
        Kind::Aborted,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn exceptions() {
        say(&[
            ("java.net.SocketException: Connection reset", "Java: Reset unsaid unsaid"),
            (
                "Caused by: java.io.IOException: Connection reset by peer",
                "Java: Reset unsaid unsaid",
            ),
            ("java.io.IOException: Broken pipe", "Java: BrokenPipe writing unsaid"),
            ("java.net.ConnectException: Connection refused", "Java: Refused connecting unsaid"),
            (
                "io.netty.channel.AbstractChannel$AnnotatedConnectException: Connection refused: shop/10.0.0.5:8080",
                "Java: Refused connecting unsaid 10.0.0.5:8080",
            ),
            (
                "org.apache.http.conn.HttpHostConnectException: Connect to shop:8080 [shop/10.0.0.5] failed: Connection refused (Connection refused)",
                "Java: Refused connecting unsaid 10.0.0.5:8080",
            ),
            (
                "java.net.SocketTimeoutException: Connect timed out",
                "Java: ConnectTooLong connecting unsaid",
            ),
            ("java.net.SocketTimeoutException: Read timed out", "Java: TookTooLong reading unsaid"),
            (
                "java.net.ConnectException: Connection timed out (Connection timed out)",
                "Java: DialTimedOut connecting unsaid",
            ),
            (
                "java.net.NoRouteToHostException: No route to host (Host unreachable)",
                "Java: NoRoute connecting unsaid",
            ),
            (
                "org.apache.http.NoHttpResponseException: 10.0.0.5:8080 failed to respond",
                "Java: ClosedEarly reading unsaid 10.0.0.5:8080",
            ),
            ("java.io.IOException: Premature EOF", "Java: ClosedEarly reading unsaid"),
            (
                "reactor.netty.http.client.PrematureCloseException: Connection prematurely closed BEFORE response",
                "Java: ClosedEarly reading unsaid",
            ),
            (
                "java.net.SocketException: Software caused connection abort: socket write error",
                "Java: Aborted unsaid unsaid",
            ),
        ]);
    }
}
