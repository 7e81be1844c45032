//! Python: built-in exceptions, and those of requests, urllib3, httpx and aiohttp.

use super::{Kind, Pattern};

const fn python(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("Python", words, regex, kind)
}

pub(super) const PATTERNS: &[Pattern] = &[
    python(
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        r"\bConnectionResetError(?:: \[Errno 104\]|\(104,)|\[Errno 104\]",
        Kind::Reset,
    ),
    python(
        "BrokenPipeError: [Errno 32] Broken pipe",
        r"\bBrokenPipeError\b|\[Errno 32\] Broken pipe",
        Kind::BrokenPipe,
    )
    .writing(),
    python(
        "ConnectionRefusedError: [Errno 111] Connection refused",
        r"\bConnectionRefusedError\b|\[Errno 111\]",
        Kind::Refused,
    )
    .connecting(),
    python("OSError: [Errno 113] No route to host", r"\[Errno (?:113|101)\]", Kind::NoRoute)
        .connecting(),
    python(
        "TimeoutError: [Errno 110] Connection timed out (connecting)",
        r"\bNewConnectionError\b.*\[Errno 110\]",
        Kind::DialTimedOut,
    )
    .connecting(),
    python("TimeoutError: [Errno 110] Connection timed out", r"\[Errno 110\]", Kind::TimedOut),
    python(
        "RemoteDisconnected('Remote end closed connection without response')",
        r"\bRemoteDisconnected\b|Remote end closed connection without response",
        Kind::ClosedEarly,
    )
    .reading(),
    python(
        "ServerDisconnectedError, Server disconnected without sending a response",
        r"\bServerDisconnectedError\b|\bServer disconnected without sending a response\b",
        Kind::ClosedEarly,
    )
    .reading(),
    python("IncompleteRead(… bytes read)", r"\bIncompleteRead\(\d+ bytes read", Kind::ClosedEarly)
        .reading(),
    python(
        "ConnectTimeout, ConnectTimeoutError",
        r"\bConnectTimeout(?:Error)?\b",
        Kind::ConnectTooLong,
    )
    .connecting(),
    python(
        "ReadTimeout, Read timed out. (read timeout=…)",
        r"\bReadTimeout(?:Error)?[(:]|Read timed out\. \(read timeout=",
        Kind::TookTooLong,
    )
    .reading(),
    python("('Connection aborted.', …)", r"\('Connection aborted\.',", Kind::Ended),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn exceptions() {
        say(&[
            (
                "ConnectionResetError: [Errno 104] Connection reset by peer",
                "Python: Reset unsaid unsaid",
            ),
            (
                "requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
                "Python: Reset unsaid unsaid",
            ),
            (
                "requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
                "Python: ClosedEarly reading unsaid",
            ),
            (
                "requests.exceptions.ConnectionError: HTTPConnectionPool(host='10.0.0.5', port=8080): Max retries exceeded with url: / (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f104>: Failed to establish a new connection: [Errno 111] Connection refused'))",
                "Python: Refused connecting unsaid 10.0.0.5:8080",
            ),
            (
                "(Caused by NewConnectionError('<HTTPConnection(host='10.0.0.5', port=80)>: Failed to establish a new connection: [Errno 113] No route to host'))",
                "Python: NoRoute connecting unsaid 10.0.0.5:80",
            ),
            ("BrokenPipeError: [Errno 32] Broken pipe", "Python: BrokenPipe writing unsaid"),
            ("TimeoutError: [Errno 110] Connection timed out", "Python: TimedOut unsaid unsaid"),
            (
                "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='shop', port=443): Read timed out. (read timeout=5)",
                "Python: TookTooLong reading unsaid port 443",
            ),
            (
                "urllib3.exceptions.ConnectTimeoutError: (<HTTPConnection(host='10.0.0.5', port=80)>, 'Connection to 10.0.0.5 timed out. (connect timeout=3)')",
                "Python: ConnectTooLong connecting unsaid 10.0.0.5:80",
            ),
            (
                "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected",
                "Python: ClosedEarly reading unsaid",
            ),
            (
                "httpx.ReadTimeout: The read operation timed out",
                "Python: TookTooLong reading unsaid",
            ),
        ]);
    }
}
