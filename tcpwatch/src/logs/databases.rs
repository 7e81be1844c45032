//! Database clients and servers, and ssh: words of their own around the kernel's.

use super::{Kind, Pattern};

const fn postgres(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("PostgreSQL", words, regex, kind)
}

const fn mysql(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("MySQL", words, regex, kind)
}

pub(super) const PATTERNS: &[Pattern] = &[
    postgres(
        "server closed the connection unexpectedly",
        r"\bserver closed the connection unexpectedly\b",
        Kind::Ended,
    )
    .reading(),
    postgres(
        "could not receive data from client: Connection reset by peer",
        r"\bcould not receive data from client: Connection reset by peer",
        Kind::ResetByClient,
    )
    .reading()
    .downstream(),
    postgres(
        "could not send data to client: Broken pipe",
        r"\bcould not send data to client: (?:Broken pipe|Connection reset by peer)",
        Kind::BrokenPipe,
    )
    .writing()
    .downstream(),
    postgres(
        "connection to server at … failed: Connection refused",
        r"\b(?:connection to server at|could not connect to server).*Connection refused",
        Kind::Refused,
    )
    .connecting(),
    mysql(
        "Lost connection to MySQL server at 'reading initial communication packet', system error: 104",
        r"\bLost connection to MySQL server at '[^']*', system error: 104\b",
        Kind::ResetAtStart,
    )
    .reading(),
    mysql(
        "Lost connection to MySQL server during query",
        r"\bLost connection to (?:MySQL )?server during query\b",
        Kind::Ended,
    )
    .reading(),
    mysql("MySQL server has gone away", r"\bMySQL server has gone away\b", Kind::Ended).writing(),
    mysql(
        "Can't connect to MySQL server on … (111)",
        r"\bCan't connect to (?:MySQL )?server on '[^']*'(?::\d+)? \((?:errno: )?111\b",
        Kind::Refused,
    )
    .connecting(),
    mysql(
        "Can't connect to MySQL server on … (113)",
        r"\bCan't connect to (?:MySQL )?server on '[^']*'(?::\d+)? \((?:errno: )?113\b",
        Kind::NoRoute,
    )
    .connecting(),
    Pattern::new(
        "ssh",
        "Connection reset by … port …",
        r"\bConnection reset by (?:authenticating user \S+ |invalid user \S+ )?[0-9a-fA-F:.]+ port \d+",
        Kind::Reset,
    )
    .reading(),
];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn clients_and_servers() {
        say(&[
            (
                "psql: error: connection to server at \"db\" (10.0.0.5), port 5432 failed: Connection refused",
                "PostgreSQL: Refused connecting unsaid 10.0.0.5:5432",
            ),
            (
                "psycopg2.OperationalError: server closed the connection unexpectedly",
                "PostgreSQL: Ended reading unsaid",
            ),
            (
                "2026-11-21 12:04:31.104 UTC [111] LOG:  could not receive data from client: Connection reset by peer",
                "PostgreSQL: ResetByClient reading downstream",
            ),
            (
                "ERROR 2013 (HY000): Lost connection to MySQL server during query",
                "MySQL: Ended reading unsaid",
            ),
            (
                "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 104",
                "MySQL: ResetAtStart reading unsaid",
            ),
            ("ERROR 2006 (HY000): MySQL server has gone away", "MySQL: Ended writing unsaid"),
            (
                "ERROR 2003 (HY000): Can't connect to MySQL server on '10.0.0.5:3306' (111)",
                "MySQL: Refused connecting unsaid 10.0.0.5:3306",
            ),
            ("Connection reset by 10.0.0.5 port 22", "ssh: Reset reading unsaid 10.0.0.5:22"),
        ]);
    }
}
