//! curl: messages and exit codes.

use super::{Kind, Pattern};

const fn curl(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("curl", words, regex, kind)
}

/// As curl prints it, or as a script reports it.
macro_rules! code {
    ($number:literal) => {
        concat!(
            r"(?i)\bcurl(?:: \(",
            $number,
            r"\)| (?:failed|exited|returned|error|exit)(?: with)?(?: exit)?(?: code| status)?:? ",
            $number,
            r"\b)"
        )
    };
}

/// For a timeout of the kernel's a line about the host ends with the kernel's words; any other is of curl's own timer.
pub(super) const PATTERNS: &[Pattern] = &[
    curl("(7) … Connection refused", concat!(code!("7"), r".*Connection refused"), Kind::Refused)
        .connecting(),
    curl(
        "(7) … No route to host",
        concat!(code!("7"), r".*(?:No route to host|unreachable)"),
        Kind::NoRoute,
    )
    .connecting(),
    curl("(7) Failed to connect … Couldn't connect to server", code!("7"), Kind::NotConnected)
        .connecting(),
    curl(
        "(28) SSL connection timeout",
        concat!(code!("28"), r".*SSL connection timeout"),
        Kind::TookTooLong,
    ),
    curl(
        "(28) Resolving timed out after …",
        concat!(code!("28"), r".*Resolving timed out"),
        Kind::NotTried,
    ),
    curl(
        "(28) Failed to connect to …: Connection timed out",
        concat!(code!("28"), r".*Failed to connect.*: Connection timed out"),
        Kind::DialTimedOut,
    )
    .connecting(),
    curl(
        "(28) Connection timed out after …",
        concat!(code!("28"), r".*(?:Connection timed out|Connection timeout|Failed to connect)"),
        Kind::ConnectTooLong,
    )
    .connecting(),
    curl("(28) Operation timed out after …", code!("28"), Kind::TookTooLong),
    curl(
        "(35) … Connection reset by peer",
        concat!(code!("35"), r".*(?:reset|SSL_ERROR_SYSCALL|ECONNRESET)"),
        Kind::ResetAtStart,
    )
    .reading(),
    curl("(52) Empty reply from server", code!("52"), Kind::ClosedEarly).reading(),
    curl(
        "(55) Send failure: Broken pipe",
        concat!(code!("55"), r".*Broken pipe"),
        Kind::BrokenPipe,
    )
    .writing(),
    curl(
        "(55) Send failure: Connection reset by peer",
        concat!(code!("55"), r".*reset"),
        Kind::Reset,
    )
    .writing(),
    curl("(55) Failed sending data to the peer", code!("55"), Kind::Ended).writing(),
    curl(
        "(56) Recv failure: Connection reset by peer",
        concat!(code!("56"), r".*reset"),
        Kind::Reset,
    )
    .reading(),
    curl(
        "(56) Failure when receiving data from the peer",
        // Not what a proxy answered: `Received HTTP code 503 from proxy`, `CONNECT tunnel failed, response 503`.
        concat!(code!("56"), r"(?-i:\s*$|[^ ]| +(?:[^RC ]|R[^e]|Re[^c]|Rec[^e]|C[^O]))"),
        Kind::Ended,
    )
    .reading(),
    curl("(18) transfer closed with … bytes remaining to read", code!("18"), Kind::ClosedEarly)
        .reading(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn messages_and_exit_codes() {
        say(&[
            (
                "curl: (7) Failed to connect to 10.0.0.5 port 8080 after 0 ms: Couldn't connect to server",
                "curl: NotConnected connecting unsaid 10.0.0.5:8080",
            ),
            (
                "curl: (7) Failed to connect to shop port 8080: Connection refused",
                "curl: Refused connecting unsaid port 8080",
            ),
            (
                "curl: (28) Failed to connect to 10.0.0.5 port 80 after 10001 ms: Connection timed out",
                "curl: DialTimedOut connecting unsaid 10.0.0.5:80",
            ),
            (
                "curl: (28) Operation timed out after 5001 milliseconds with 0 bytes received",
                "curl: TookTooLong unsaid unsaid",
            ),
            (
                "curl: (28) Connection timed out after 5000 milliseconds",
                "curl: ConnectTooLong connecting unsaid",
            ),
            (
                "curl: (28) Failed to connect to 10.0.0.5 port 80 after 5001 ms: Timeout was reached",
                "curl: ConnectTooLong connecting unsaid 10.0.0.5:80",
            ),
            ("curl: (28) SSL connection timeout", "curl: TookTooLong unsaid unsaid"),
            (
                "curl: (28) Resolving timed out after 5000 milliseconds",
                "curl: NotTried unsaid unsaid",
            ),
            ("curl: (52) Empty reply from server", "curl: ClosedEarly reading unsaid"),
            ("curl: (56) Recv failure: Connection reset by peer", "curl: Reset reading unsaid"),
            (
                "curl: (35) OpenSSL SSL_connect: Connection reset by peer in connection to shop:443 ",
                "curl: ResetAtStart reading unsaid port 443",
            ),
            ("curl: (55) Send failure: Broken pipe", "curl: BrokenPipe writing unsaid"),
            ("health check: curl exited with code 56", "curl: Ended reading unsaid"),
            (
                "curl: (56) OpenSSL SSL_read: error:0A000126:SSL routines::unexpected eof while reading, errno 0",
                "curl: Ended reading unsaid",
            ),
            ("curl: (56) Failure when receiving data from the peer", "curl: Ended reading unsaid"),
            ("curl: (56) Received HTTP code 503 from proxy after CONNECT", "nothing"),
            ("curl: (56) CONNECT tunnel failed, response 503", "nothing"),
            ("curl: (6) Could not resolve host: shop", "nothing"),
            ("curl: (22) The requested URL returned error: 504", "nothing"),
            ("curl/7.88.1 7 28 56", "nothing"),
        ]);
    }
}
