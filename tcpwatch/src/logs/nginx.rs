//! nginx, OpenResty, ingress-nginx: the error log.

use super::{Kind, Pattern};

const fn nginx(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("nginx", words, regex, kind)
}

/// nginx writes 110 for timers of its own too: only connect() fails with the kernel's. What it proxies without reading
/// it (WebSocket, TCP) fails on either side; the side is known only where the line says `from` or `to` whom.
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
        "SSL_do_handshake() failed (104: Connection reset by peer) while SSL handshaking to upstream",
        r"\bSSL_do_handshake\(\) failed \(104: [^)]*\) while SSL handshaking to upstream",
        Kind::ResetAtStart,
    )
    .reading()
    .upstream(),
    nginx(
        "SSL_do_handshake() failed (104: Connection reset by peer) while SSL handshaking",
        r"\bSSL_do_handshake\(\) failed \(104: ",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    nginx(
        "recv() failed (104: Connection reset by peer) while proxying upgraded connection",
        r"\b(?:recv|readv|SSL_read)\(\) failed \(104: [^)]*\) while proxying (?:upgraded )?connection",
        Kind::Reset,
    )
    .reading(),
    nginx(
        "send() failed (104: Connection reset by peer) while proxying upgraded connection",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(104: [^)]*\) while proxying (?:upgraded )?connection",
        Kind::Reset,
    )
    .writing(),
    nginx(
        "send() failed (32: Broken pipe) while proxying upgraded connection",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(32: [^)]*\) while proxying (?:upgraded )?connection",
        Kind::BrokenPipe,
    )
    .writing(),
    nginx(
        "connect() failed (104: Connection reset by peer) while connecting to upstream",
        r"\bconnect\(\)(?: to \S+)? failed \(104: ",
        Kind::ResetAtStart,
    )
    .connecting()
    .upstream(),
    nginx(
        "recv() failed (104: Connection reset by peer) while reading response header from upstream",
        r"\b(?:recv|readv|SSL_read)\(\) failed \(104: [^)]*\) while (?:reading (?:response header from )?upstream|proxying and reading from upstream)",
        Kind::Reset,
    )
    .reading()
    .upstream(),
    nginx(
        "send() failed (104: Connection reset by peer) while sending request to upstream",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(104: [^)]*\) while (?:sending request to|proxying and sending to) upstream",
        Kind::Reset,
    )
    .writing()
    .upstream(),
    nginx(
        "recv() failed (104: Connection reset by peer) while waiting for request",
        r"\b(?:recv|readv|SSL_read)\(\) failed \(104: [^)]*\)(?: while (?:waiting for|reading client|keepalive|processing HTTP/2|sending to client|proxying and reading from client)|, client)",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    nginx(
        "send() failed (104: Connection reset by peer) while sending to client",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(104: [^)]*\)(?: while (?:sending (?:response )?to client|proxying and sending to client|processing HTTP/2|keepalive)|, client)",
        Kind::ResetByClient,
    )
    .writing()
    .downstream(),
    nginx(
        "writev() failed (32: Broken pipe) while sending request to upstream",
        r"\b(?:send|writev|sendfile|SSL_write)\(\) failed \(32: [^)]*\) while (?:sending request to|proxying and sending to) upstream",
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
    fn either_side() {
        say(&[
            (
                r#"recv() failed (104: Connection reset by peer) while proxying upgraded connection, client: 203.0.113.7, server: shop, upstream: "http://10.0.0.5:8080/ws""#,
                "nginx: Reset reading unsaid",
            ),
            (
                r#"send() failed (32: Broken pipe) while proxying upgraded connection, client: 203.0.113.7, server: shop, upstream: "http://10.0.0.5:8080/ws""#,
                "nginx: BrokenPipe writing unsaid",
            ),
            (
                r#"send() failed (104: Connection reset by peer) while proxying upgraded connection, client: 203.0.113.7, upstream: "http://10.0.0.5:8080/ws""#,
                "nginx: Reset writing unsaid",
            ),
            (
                r#"send() failed (104: Connection reset by peer) while proxying and sending to upstream, client: 203.0.113.7, server: 0.0.0.0:5432, upstream: "10.0.0.5:5432""#,
                "nginx: Reset writing upstream 10.0.0.5:5432",
            ),
            (
                r#"recv() failed (104: Connection reset by peer) while proxying and reading from upstream, client: 203.0.113.7, server: 0.0.0.0:5432, upstream: "10.0.0.5:5432""#,
                "nginx: Reset reading upstream 10.0.0.5:5432",
            ),
            (
                r#"send() failed (104: Connection reset by peer) while proxying and sending to client, client: 203.0.113.7, server: 0.0.0.0:5432, upstream: "10.0.0.5:5432""#,
                "nginx: ResetByClient writing downstream 203.0.113.7",
            ),
            (
                r#"recv() failed (104: Connection reset by peer) while proxying and reading from client, client: 203.0.113.7, server: 0.0.0.0:5432, upstream: "10.0.0.5:5432""#,
                "nginx: ResetByClient reading downstream 203.0.113.7",
            ),
        ]);
    }

    #[test]
    fn handshakes() {
        say(&[
            (
                r#"SSL_do_handshake() failed (104: Connection reset by peer) while SSL handshaking to upstream, client: 203.0.113.7, upstream: "https://10.0.0.5:8443/""#,
                "nginx: ResetAtStart reading upstream 10.0.0.5:8443",
            ),
            (
                "SSL_do_handshake() failed (104: Connection reset by peer) while SSL handshaking, client: 203.0.113.7, server: 0.0.0.0:443",
                "nginx: ResetByClient reading downstream 203.0.113.7",
            ),
            (
                "SSL_do_handshake() failed (SSL: error:0A000412:SSL routines::sslv3 alert bad certificate) while SSL handshaking, client: 203.0.113.7, server: 0.0.0.0:443",
                "nothing",
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
