//! nginx, OpenResty, ingress-nginx: the error log.

use super::{Kind, Pattern};

const fn nginx(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("nginx", words, regex, kind)
}

/// nginx writes 110 for timers of its own too: only connect() fails with the kernel's.
pub(super) const PATTERNS: &[Pattern] = &[
    nginx(
        "client … closed keepalive connection (104: Connection reset by peer)",
        r"\bclient \S+ closed keepalive connection \(104: ",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    nginx(
        "peer closed connection in SSL handshake (104: …) while SSL handshaking to upstream",
        r"\bin SSL handshake \(104: [^)]*\) while SSL handshaking to upstream",
        Kind::ResetAtStart,
    )
    .reading()
    .upstream(),
    nginx(
        "peer closed connection in SSL handshake (104: …) while SSL handshaking",
        r"\bin SSL handshake \(104: ",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    nginx(
        "connect() failed (104: Connection reset by peer) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \(104: ",
        Kind::ResetAtStart,
    )
    .connecting()
    .upstream(),
    nginx(
        "recv() failed (104: Connection reset by peer) while reading response header from upstream",
        r"\b(?:recv|readv|SSL_read)\(\) failed \(104: [^)]*\) while (?:reading (?:response header from )?upstream|proxying and reading from upstream|proxying upgraded connection)",
        Kind::Reset,
    )
    .reading()
    .upstream(),
    nginx(
        "send() failed (104: Connection reset by peer) while sending request to upstream",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(104: [^)]*\) while (?:sending request to upstream|proxying)",
        Kind::Reset,
    )
    .writing()
    .upstream(),
    nginx(
        "recv() failed (104: Connection reset by peer) while waiting for request",
        r"\b(?:recv|readv|SSL_read)\(\) failed \(104: [^)]*\)(?: while (?:waiting for|reading client|keepalive|processing HTTP/2|sending to client)|, client)",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    nginx(
        "send() failed (104: Connection reset by peer) while sending to client",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(104: [^)]*\)(?: while (?:sending (?:response )?to client|processing HTTP/2|keepalive)|, client)",
        Kind::ResetByClient,
    )
    .writing()
    .downstream(),
    nginx(
        "writev() failed (32: Broken pipe) while sending request to upstream",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(32: [^)]*\) while (?:sending request to upstream|proxying)",
        Kind::BrokenPipe,
    )
    .writing()
    .upstream(),
    nginx(
        "writev() failed (32: Broken pipe) while sending to client",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(32: ",
        Kind::BrokenPipe,
    )
    .writing()
    .downstream(),
    nginx(
        "connect() failed (111: Connection refused) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \(111: ",
        Kind::Refused,
    )
    .connecting()
    .upstream(),
    nginx(
        "connect() failed (113: No route to host) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \((?:113|101): ",
        Kind::NoRoute,
    )
    .connecting()
    .upstream(),
    nginx(
        "connect() failed (110: Connection timed out) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \(110: ",
        Kind::DialTimedOut,
    )
    .connecting()
    .upstream(),
    nginx(
        "connect() … failed (99: Cannot assign requested address) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \(99: ",
        Kind::NoPort,
    )
    .connecting()
    .upstream(),
    nginx(
        "upstream timed out (110: Connection timed out) while connecting to upstream",
        r"\bupstream timed out \(110: [^)]*\) while connecting to upstream",
        Kind::ConnectTooLong,
    )
    .connecting()
    .upstream(),
    nginx(
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
        r"\bupstream timed out \(110: ",
        Kind::TookTooLong,
    )
    .upstream(),
    nginx(
        "upstream prematurely closed connection while reading response header from upstream",
        r"\bupstream prematurely closed connection\b",
        Kind::ClosedEarly,
    )
    .reading()
    .upstream(),
    nginx(
        "client prematurely closed connection",
        r"\bclient (?:prematurely )?closed connection\b",
        Kind::ClientLeft,
    )
    .reading()
    .downstream(),
    nginx(
        "accept4() failed (103: Software caused connection abort)",
        r"\baccept4?\(\) failed \(103: ",
        Kind::Aborted,
    )
    .downstream(),
    nginx("no live upstreams while connecting to upstream", r"\bno live upstreams\b", Kind::NotTried).upstream(),
    nginx(
        "upstream server temporarily disabled while connecting to upstream",
        r"\bupstream server temporarily disabled\b",
        Kind::NotTried,
    )
    .upstream(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn upstreams() {
        say(&[
            (
                r#"2026/11/21 12:04:31 [error] 31#31: *104 recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 10.0.0.9, server: shop.example, request: "GET /cart HTTP/1.1", upstream: "http://10.0.0.5:8080/cart", host: "shop.example""#,
                "nginx: Reset reading upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 readv() failed (104: Connection reset by peer) while reading upstream, client: 10.0.0.9, server: , request: "GET / HTTP/1.1", upstream: "http://[fd00::5]:8080/""#,
                "nginx: Reset reading upstream [fd00::5]:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, server: , request: "GET / HTTP/1.1", upstream: "http://10.0.0.5:8080/", host: "shop""#,
                "nginx: Refused connecting upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 connect() failed (113: Host is unreachable) while connecting to upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: NoRoute connecting upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: TookTooLong unsaid upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 upstream timed out (110: Operation timed out) while connecting to upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: ConnectTooLong connecting upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 upstream timed out (110: Operation timed out) while SSL handshaking to upstream, client: 10.0.0.9, upstream: "https://10.0.0.5:8443/""#,
                "nginx: TookTooLong unsaid upstream 10.0.0.5:8443",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 upstream prematurely closed connection while reading response header from upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: ClosedEarly reading upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 writev() failed (32: Broken pipe) while sending request to upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: BrokenPipe writing upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [crit] 7#7: *1 connect() to 10.0.0.5:8080 failed (99: Cannot assign requested address) while connecting to upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#,
                "nginx: NoPort connecting upstream 10.0.0.5:8080",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 no live upstreams while connecting to upstream, client: 10.0.0.9, server: , request: "GET / HTTP/1.1", upstream: "http://backend/", host: "shop""#,
                "nginx: NotTried unsaid upstream port 80",
            ),
            (
                r#"2026/11/21 12:04:31 [error] 7#7: *1 peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream, client: 10.0.0.9, upstream: "https://10.0.0.5:8443/""#,
                "nginx: ResetAtStart reading upstream 10.0.0.5:8443",
            ),
        ]);
    }

    #[test]
    fn clients() {
        say(&[
            (
                "2026/11/21 12:04:31 [info] 7#7: *1 recv() failed (104: Connection reset by peer) while waiting for request, client: 203.0.113.7, server: 0.0.0.0:80",
                "nginx: ResetByClient reading downstream 203.0.113.7",
            ),
            (
                "2026/11/21 12:04:31 [info] 7#7: *1 client 203.0.113.7 closed keepalive connection (104: Connection reset by peer)",
                "nginx: ResetByClient reading downstream 203.0.113.7",
            ),
            (
                "2026/11/21 12:04:31 [info] 7#7: *1 writev() failed (32: Broken pipe) while sending to client, client: 203.0.113.7, server: shop",
                "nginx: BrokenPipe writing downstream 203.0.113.7",
            ),
            (
                "2026/11/21 12:04:31 [info] 7#7: *1 client prematurely closed connection, client: fd00::7, server: shop",
                "nginx: ClientLeft reading downstream fd00::7",
            ),
            (
                "2026/11/21 12:04:31 [error] 7#7: accept4() failed (103: Software caused connection abort)",
                "nginx: Aborted unsaid downstream",
            ),
        ]);
    }
}
