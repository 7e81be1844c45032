//! What applications log when a connection fails, and what it says: the symptom, and which causes it may have.
//!
//! A log line is the operator's first and often only clue. It tells what one end noticed, never why. One file for each
//! family of programs lists the words it logs, the special before the general. Words are known by what stands around
//! them: a status, a port or a count of bytes is no error number, and not all that is reset is a connection.

mod curl;
mod databases;
mod envoy;
mod errno;
mod go;
mod haproxy;
mod java;
mod kind;
mod nginx;
mod no_tcp;
mod node;
mod place;
mod python;
mod rust;
mod tally;

use std::sync::LazyLock;

use regex::bytes::{RegexSet, RegexSetBuilder};

pub use errno::by_number;
pub use kind::Kind;
pub use place::Place;
pub use tally::{Found, Tally};

/// Words of a log line that are known.
#[derive(Debug)]
pub struct Pattern {
    /// Who logs them.
    pub family: &'static str,
    /// As they are logged; `…` stands for what varies.
    pub words: &'static str,
    regex: &'static str,
    pub kind: Kind,
    pub noticed: Noticed,
    pub side: Side,
}

/// What the program was doing when it noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    Connecting,
    Reading,
    Writing,
    Unsaid,
}

impl Noticed {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Reading => "reading",
            Self::Writing => "writing",
            Self::Unsaid => "unsaid",
        }
    }
}

/// Which of its connections, where the program stands between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To the server behind it.
    Upstream,
    /// From its client.
    Downstream,
    Unsaid,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Unsaid => "unsaid",
        }
    }
}

impl Pattern {
    const fn new(
        family: &'static str,
        words: &'static str,
        regex: &'static str,
        kind: Kind,
    ) -> Self {
        Self { family, words, regex, kind, noticed: Noticed::Unsaid, side: Side::Unsaid }
    }

    const fn connecting(self) -> Self {
        Self { noticed: Noticed::Connecting, ..self }
    }

    const fn reading(self) -> Self {
        Self { noticed: Noticed::Reading, ..self }
    }

    const fn writing(self) -> Self {
        Self { noticed: Noticed::Writing, ..self }
    }

    const fn upstream(self) -> Self {
        Self { side: Side::Upstream, ..self }
    }

    const fn downstream(self) -> Self {
        Self { side: Side::Downstream, ..self }
    }
}

/// A line that was understood.
#[derive(Clone, Debug)]
pub struct Reading {
    pub pattern: &'static Pattern,
    /// Of the service, or else of the other end.
    pub place: Place,
}

/// What a line of a log says, if it has words that are known.
pub fn read(line: &str) -> Option<Reading> {
    let first = KNOWN.matches(line.as_bytes()).into_iter().next()?;
    let pattern = patterns().nth(first)?;
    Some(Reading { pattern, place: place::of(line, pattern.side) })
}

/// Everything that is known, in the order in which it is tried.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    FAMILIES.iter().copied().flatten()
}

/// What is no TCP comes first. Then the special before the general: a program's own words before those of its language, and these before the errno's.
const FAMILIES: &[&[Pattern]] = &[
    no_tcp::PATTERNS,
    nginx::PATTERNS,
    envoy::PATTERNS,
    haproxy::PATTERNS,
    curl::PATTERNS,
    databases::PATTERNS,
    python::PATTERNS,
    node::PATTERNS,
    go::PATTERNS,
    java::PATTERNS,
    rust::PATTERNS,
    errno::PATTERNS,
];

/// All at once: a line is read a single time. The words are ASCII; without Unicode's idea of a word, text of any kind
/// is read equally fast.
static KNOWN: LazyLock<RegexSet> = LazyLock::new(|| {
    let mut known = RegexSetBuilder::new(patterns().map(|pattern| pattern.regex));
    known.unicode(false).dfa_size_limit(MEMORY).build().expect("the patterns are tested")
});

/// Bytes for what the set learns of the lines; with less it would learn the same again and again.
const MEMORY: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind errno noticed side place`, or `nothing`.
    pub(super) fn said(line: &str) -> String {
        let Some(Reading { pattern, place }) = read(line) else { return "nothing".into() };
        let Pattern { family, kind, noticed, side, .. } = pattern;
        format!("{family}: {kind:?} {} {} {place}", noticed.name(), side.name()).trim_end().into()
    }

    /// Each line and what it says.
    pub(super) fn say(lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            assert_eq!(said(line), *expected, "{line}");
        }
    }

    #[test]
    fn what_looks_alike_says_nothing() {
        let lines = [
            // Numbers that are none of the kernel's.
            "10.0.0.9 - - [21/Nov/2026:12:04:31 +0000] \"GET / HTTP/1.1\" 200 104 \"-\" \"curl/7.88.1\"",
            "10.0.0.9 - - [21/Nov/2026:12:04:31 +0000] \"GET /111 HTTP/1.1\" 104 111 \"-\" \"-\"",
            "listening on 10.0.0.1:111",
            "listening on [::]:104, 110 workers, 113 routes",
            "took 110 ms, 104 bytes",
            "worker process 104 exited with code 111",
            "104",
            // What is reset, refused, broken or timed out is no connection.
            "password reset requested for user 104",
            "Your connection resets are listed below",
            "connection reset count: 0",
            "index reset by admin",
            "the offer was refused by peer review",
            "permission refused",
            "broken pipeline in stage 3",
            "session timed out after 30 minutes",
            "ReadTimeout is set to 30s",
            // Words of other trades.
            "bash: -c: line 1: unexpected EOF while looking for matching `\"'",
            "SyntaxError: unexpected EOF while parsing",
            "json: unexpected end of JSON input",
            "\"GET / HTTP/1.1\" 404 NR route_not_found - \"-\" 0 0 0 - \"-\" \"curl/7.88.1\"",
            "\"GET / HTTP/1.1\" 200 - via_upstream - \"-\" 0 52 3 3 \"-\" \"UC Browser\" \"1\" \"shop\" \"10.0.0.5:80\"",
            "connected to 10.0.0.5:8080",
            "",
        ];
        for line in lines {
            assert_eq!(said(line), "nothing", "{line}");
        }
    }

    #[test]
    fn every_candidate_is_in_the_catalogue_once() {
        use crate::explain::cause::Cause;
        for kind in patterns().map(|pattern| pattern.kind) {
            let candidates = kind.candidates();
            for (at, code) in candidates.iter().enumerate() {
                assert!(Cause::entry(code).is_some(), "{kind:?} names {code}");
                assert!(!candidates[..at].contains(code), "{kind:?} names {code} twice");
            }
        }
    }

    #[test]
    fn a_line_of_any_bytes_is_read() {
        for line in ["\u{0}\u{1b}[31m", "(104: ", "\u{202e}ECONNRESET", &"[".repeat(100_000)] {
            _ = read(line);
        }
        assert_eq!(said("\u{202e}ECONNRESET"), "errno: Reset unsaid unsaid");
    }
}
