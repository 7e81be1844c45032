//! The error numbers themselves: name, number or the C library's words, whoever logs them.

use super::{Kind, Pattern};

const fn errno(words: &'static str, regex: &'static str, kind: Kind) -> Pattern {
    Pattern::new("errno", words, regex, kind)
}

/// A name counts where something failed with it: not in a path, not after a count of zero, not in a list of names.
macro_rules! name {
    ($name:literal) => {
        concat!(
            r"(?:^\s*|[^/\w\s,]|[^,\s0]\s+|[^\s,]0\s+)(?:",
            $name,
            r")(?:$|[^\w./,-]|\.(?:\W|$)|,(?:$|\s*(?:[^\sE]|E[^A-Z])))"
        )
    };
}

/// A number counts only where a word says that it is one.
macro_rules! number {
    ($number:literal) => {
        concat!(r"\(os error ", $number, r#"\)|(?i:(?:^|[^/\w])errno"?[ =:]+-?"#, $number, r"\b)")
    };
}

/// In the order of their pages in a book; none is part of another.
pub(super) const PATTERNS: &[Pattern] = &[
    errno(
        "ECONNRESET, Connection reset by peer, errno 104",
        concat!(
            name!("ECONNRESET"),
            r"|(?i:\bconnection (?:was )?reset by (?:the )?(?:peer|remote)\b)|",
            number!("104")
        ),
        Kind::Reset,
    ),
    errno(
        "ECONNREFUSED, Connection refused, errno 111",
        concat!(name!("ECONNREFUSED"), r"|(?i:\bconnection refused\b)|", number!("111")),
        Kind::Refused,
    )
    .connecting(),
    errno(
        "EPIPE, Broken pipe, errno 32",
        concat!(name!("EPIPE"), r"|(?i:\bbroken pipe\b)|", number!("32")),
        Kind::BrokenPipe,
    )
    .writing(),
    errno(
        "EHOSTUNREACH, No route to host, errno 113",
        concat!(
            name!("EHOSTUNREACH|ENETUNREACH"),
            r"|(?i:\bno route to host\b|\bnetwork is unreachable\b|\bhost is unreachable\b)|",
            number!("113")
        ),
        Kind::NoRoute,
    )
    .connecting(),
    errno(
        "ECONNABORTED, Software caused connection abort, errno 103",
        concat!(
            name!("ECONNABORTED"),
            r"|(?i:\bsoftware caused connection abort\b)|",
            number!("103")
        ),
        Kind::Aborted,
    ),
    errno(
        "EADDRNOTAVAIL, Cannot assign requested address, errno 99",
        concat!(
            name!("EADDRNOTAVAIL"),
            r"|(?i:\bcan(?:no|')t assign requested address\b)|",
            number!("99")
        ),
        Kind::NoPort,
    ),
    errno(
        "ETIMEDOUT, Connection timed out, errno 110",
        concat!(
            name!("ETIMEDOUT"),
            r"|\bConnection timed out\b|\b(?:read|write|recv|send|connect)(?:\(\))?: connection timed out\b|",
            number!("110")
        ),
        Kind::TimedOut,
    ),
];

/// What an error number comes to, where the user says that it is one.
pub fn by_number(number: &str) -> Option<&'static Pattern> {
    let numbers = ["104", "111", "32", "113", "103", "99", "110"];
    PATTERNS.iter().zip(numbers).find(|(_, known)| *known == number).map(|(pattern, _)| pattern)
}

#[cfg(test)]
mod tests {
    use super::super::tests::say;
    use super::*;

    #[test]
    fn names_words_and_numbers() {
        say(&[
            ("ECONNRESET", "errno: Reset unsaid unsaid"),
            ("read failed: Connection reset by peer", "errno: Reset unsaid unsaid"),
            ("send: errno=32", "errno: BrokenPipe writing unsaid"),
            (
                "connect 10.0.0.5:80: Connection refused",
                "errno: Refused connecting unsaid 10.0.0.5:80",
            ),
            ("errno: 113", "errno: NoRoute connecting unsaid"),
            ("connect(): Network is unreachable", "errno: NoRoute connecting unsaid"),
            ("bind: Cannot assign requested address", "errno: NoPort unsaid unsaid"),
            ("ETIMEDOUT", "errno: TimedOut unsaid unsaid"),
            ("code: 'ECONNABORTED'", "errno: Aborted unsaid unsaid"),
            (
                "ConnectionAbortedError: [Errno 103] Software caused connection abort",
                "errno: Aborted unsaid unsaid",
            ),
            ("errno 1044", "nothing"),
            ("2026-11-21 12:04:30 ECONNRESET", "errno: Reset unsaid unsaid"),
            ("  ECONNREFUSED", "errno: Refused connecting unsaid"),
            ("send failed: EPIPE.", "errno: BrokenPipe writing unsaid"),
            ("read: ECONNRESET, trying again", "errno: Reset unsaid unsaid"),
            ("failed with ECONNRESET, Error code 5", "errno: Reset unsaid unsaid"),
            (r#"{"errno":-111,"syscall":"connect"}"#, "errno: Refused connecting unsaid"),
            ("write: connection timed out", "errno: TimedOut unsaid unsaid"),
        ]);
    }

    #[test]
    fn names_of_other_things() {
        say(&[
            (r#""GET /errno-111/EPIPE HTTP/1.1" 200"#, "nothing"),
            ("GET /docs/ECONNRESET.html 200", "nothing"),
            (r#"open() "/var/www/ECONNRESET" failed (2: No such file or directory)"#, "nothing"),
            ("retryOn=[ECONNRESET, ETIMEDOUT]", "nothing"),
            ("0 ECONNREFUSED, 0 ECONNRESET", "nothing"),
            ("Bluetooth: hci0: connection timed out", "nothing"),
        ]);
    }

    #[test]
    fn a_number_that_is_said_to_be_one() {
        for (number, kind) in
            [("104", Kind::Reset), ("32", Kind::BrokenPipe), ("110", Kind::TimedOut)]
        {
            assert_eq!(by_number(number).map(|pattern| pattern.kind), Some(kind));
        }
        assert!(by_number("105").is_none());
        for pattern in PATTERNS {
            let number = pattern.words.rsplit_once(' ').map_or("", |(_, number)| number);
            assert_eq!(by_number(number).map(|found| found.words), Some(pattern.words));
        }
    }
}
