//! Names of segments: made from a header, and recognised in a directory.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::line::Header;
use super::{EXTENSION, PART};

/// `HOST-20261121T120431Z-5f3a9c01-00000.tcpw.jsonl.zst`: sorts by host, then by time. The third part tells runs
/// apart that began in the same second.
pub(super) fn of(header: &Header) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let host: String = header.host.hostname.chars().map(plain).collect();
    let at = Timestamp::from_nanosecond(header.host.wall.into()).unwrap_or_default();
    let (at, run) = (at.strftime("%Y%m%dT%H%M%SZ"), short(&header.run));
    format!("{host}-{at}-{run:08x}-{:05}{EXTENSION}", header.number)
}

fn short(run: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    run.hash(&mut hasher);
    (hasher.finish() & u64::from(u32::MAX)).try_into().unwrap_or_default()
}

/// Where a segment stands among all of its directory: by time, whoever recorded it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    time: String,
    run: String,
    number: u64,
}

/// The age of a segment, if this is the name of one.
pub(super) fn age(name: &str) -> Option<Age> {
    let mut parts = name.strip_suffix(EXTENSION)?.rsplitn(4, '-');
    let (number, run, time, host) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_ours = is_number(number) && is_run(run) && is_time(time) && is_host(host);
    let (time, run, number) = (time.into(), run.into(), number.parse().ok()?);
    is_ours.then_some(Age { time, run, number })
}

/// The name it will have, of a file that is still being written or was when its writer died.
pub(super) fn unfinished(name: &str) -> Option<&str> {
    name.strip_suffix(PART)
}

pub(super) fn part(name: &str) -> String {
    format!("{name}{PART}")
}

fn is_number(text: &str) -> bool {
    text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_run(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `20261121T120431Z`
fn is_time(text: &str) -> bool {
    let form = b"00000000T000000Z";
    let fits = |(byte, form): (u8, &u8)| {
        if *form == b'0' { byte.is_ascii_digit() } else { byte == *form }
    };
    text.len() == form.len() && text.bytes().zip(form).all(fits)
}

fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples;

    fn header(wall: u64, run: &str, number: u32) -> Header {
        let mut header = samples::header(run, number);
        (header.host.hostname, header.host.wall) = ("web-1.example/x".into(), wall);
        header
    }

    #[test]
    fn a_name_tells_host_time_run_and_number() {
        let name = of(&header(1_795_000_000_000_000_000, "a@1", 3));
        assert!(name.starts_with("web_1.example_x-20261118T"), "{name}");
        assert!(name.ends_with("-00003.tcpw.jsonl.zst"), "{name}");
        assert!(age(&name).is_some(), "{name}");
    }

    #[test]
    fn two_runs_of_one_second_have_two_names() {
        assert_ne!(of(&header(5, "a@1", 0)), of(&header(6, "a@2", 0)));
    }

    #[test]
    fn segments_are_as_old_as_their_time_and_then_their_number() {
        let age_of = |wall, number| age(&of(&header(wall, "a@1", number))).unwrap();
        assert!(age_of(1_000_000_000, 9) < age_of(3_000_000_000, 0));
        assert!(age_of(1_000_000_000, 99_999) < age_of(1_000_000_000, 100_000));
    }

    #[test]
    fn other_names_are_nobody_s() {
        for name in [
            "incident.tcpw.jsonl.zst",
            "web-1-20261121T120431Z-5f3a9c01-00000.jsonl",
            "web-20261121T120431Z-5f3a9c01-00000.tcpw.jsonl.zst.part",
            "web-20261121T120431Z-5f3a9c0-00000.tcpw.jsonl.zst",
            "web-20261121T120431Z-5f3a9c01-0000.tcpw.jsonl.zst",
            "web-20261121 120431Z-5f3a9c01-00000.tcpw.jsonl.zst",
            "../x-20261121T120431Z-5f3a9c01-00000.tcpw.jsonl.zst",
            "",
        ] {
            assert_eq!(age(name), None, "{name}");
        }
    }
}
