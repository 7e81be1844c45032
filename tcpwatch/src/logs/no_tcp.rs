//! What fails alike and is no TCP connection: unix sockets, pipes and UDP.

use super::{Kind, Pattern};

const fn no_tcp(words: &'static str, regex: &'static str) -> Pattern {
    Pattern::new("no TCP", words, regex, Kind::NoTcp)
}

/// Tried before all others, which have the same words for TCP. A stream's name at the beginning of a line is where a
/// container wrote the line, and nginx names a unix socket also where its client's connection failed.
pub(super) const PATTERNS: &[Pattern] = &[
    no_tcp(
        "read udp …, dial unix …",
        r"\b(?:read|readfrom|recvmsg|write|writeto|sendmsg|dial) (?:udp[46]?|unix(?:gram|packet)?) [^ ]+: ",
    ),
    no_tcp(
        "recv() failed (111: Connection refused) while resolving",
        r"\bfailed \(\d+: [^)]*\) while resolving\b",
    ),
    no_tcp("connect() to unix:/… failed", r"(?i)\bconnect(?:\(\)|ion|ing)? (?:to )?unix:/"),
    no_tcp(
        "recv() failed (104: …) while reading response header from upstream, … upstream: \"…://unix:/…\"",
        concat!(
            r"(?:\b(?:recv|readv)\(\) failed \(\d+: [^)]*\)|\bupstream [a-z ]+(?:\(\d+: [^)]*\))?)",
            r#" ?while [a-z ]*upstream,.*\bupstream: "(?:[a-z]+://)?unix:"#
        ),
    ),
    no_tcp(
        "writev() failed (32: …) while sending request to upstream, … upstream: \"…://unix:/…\"",
        r#"\b(?:send|writev|sendfile)\(\) failed \(\d+: [^)]*\) while sending request to upstream,.*\bupstream: "(?:[a-z]+://)?unix:"#,
    ),
    no_tcp("connect ECONNREFUSED /…", r"\b(?:connect|read|write) E[A-Z]+ /"),
    no_tcp("connection to server on socket \"/…\" failed", r#"\b(?:on|through) socket ["']/"#),
    no_tcp(
        "… to stdout: Broken pipe",
        r"(?i)(?:\bto |\bwrit(?:e|ing) |/dev/)(?:std(?:out|err)|standard (?:output|error)): (?:write: )?broken pipe|name='<std(?:out|err)>'.*\bBroken ?pipe",
    ),
    no_tcp(
        "write error: Broken pipe",
        r"^\S+: (?:\S+: )?write error: Broken pipe|: .?standard output.?: Broken pipe",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn sockets_and_pipes() {
        say(&[
            (
                "dial tcp: lookup shop on 10.96.0.10:53: read udp 10.0.0.9:40000->10.96.0.10:53: read: connection refused",
                "no TCP: NoTcp unsaid unsaid 10.96.0.10:53",
            ),
            (
                "dial unix /var/run/docker.sock: connect: connection refused",
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                "write unix @->/run/systemd/journal/stdout: write: broken pipe",
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                "recv() failed (111: Connection refused) while resolving, resolver: 10.96.0.10:53",
                "no TCP: NoTcp unsaid unsaid 10.96.0.10:53",
            ),
            (
                r#"connect() to unix:/run/php-fpm.sock failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, upstream: "fastcgi://unix:/run/php-fpm.sock:""#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                r#"recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 10.0.0.9, upstream: "fastcgi://unix:/run/php-fpm.sock:""#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                r#"upstream prematurely closed connection while reading response header from upstream, client: 10.0.0.9, upstream: "http://unix:/run/app.sock:/""#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                r#"upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.0.9, upstream: "http://unix:/run/app.sock:/""#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            (
                r#"writev() failed (32: Broken pipe) while sending request to upstream, client: 10.0.0.9, upstream: "http://unix:/run/app.sock:/""#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            ("Error: connect ECONNREFUSED /var/run/mysqld.sock", "no TCP: NoTcp unsaid unsaid"),
            (
                r#"connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: Connection refused"#,
                "no TCP: NoTcp unsaid unsaid",
            ),
            ("write /dev/stdout: broken pipe", "no TCP: NoTcp unsaid unsaid"),
            ("failed printing to stdout: Broken pipe (os error 32)", "no TCP: NoTcp unsaid unsaid"),
            (
                "Exception ignored in: <_io.TextIOWrapper name='<stdout>' mode='w'> BrokenPipeError: [Errno 32] Broken pipe",
                "no TCP: NoTcp unsaid unsaid",
            ),
            ("tar: write error: Broken pipe", "no TCP: NoTcp unsaid unsaid"),
            ("sort: write failed: 'standard output': Broken pipe", "no TCP: NoTcp unsaid unsaid"),
        ]);
    }

    #[test]
    fn connections_of_tcp() {
        say(&[
            (
                r#"writev() failed (32: Broken pipe) while sending to client, client: 203.0.113.7, upstream: "fastcgi://unix:/run/php-fpm.sock:""#,
                "nginx: BrokenPipe writing downstream 203.0.113.7",
            ),
            (
                r#"writev() failed (32: Broken pipe) while reading upstream, client: 203.0.113.7, upstream: "fastcgi://unix:/run/php-fpm.sock:""#,
                "nginx: BrokenPipe writing downstream 203.0.113.7",
            ),
            (
                "2026-11-21T12:04:31.882Z stdout F Error: write EPIPE",
                "Node.js: BrokenPipe writing unsaid",
            ),
            (
                "2026-11-21T12:04:31.882Z stderr F write tcp 10.0.0.9:40000->10.0.0.5:80: write: broken pipe",
                "Go: BrokenPipe writing unsaid 10.0.0.5:80",
            ),
            (
                "dial tcp 10.0.0.5:80: connect: connection refused",
                "Go: Refused connecting unsaid 10.0.0.5:80",
            ),
            (
                "logging to stdout: write tcp 10.0.0.9:40000->10.0.0.5:80: write: broken pipe",
                "Go: BrokenPipe writing unsaid 10.0.0.5:80",
            ),
            ("SSL write error: Broken pipe", "errno: BrokenPipe writing unsaid"),
        ]);
    }
}
