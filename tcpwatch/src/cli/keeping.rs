//! Where a recording goes, and how much of it stays.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::{parse_duration, split_where};
use crate::recording::{Floor, Retention, Rotation};

/// Where a recording goes. Names decide, so that the same words mean the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    Stdout,
    File(&'a Path),
    /// Of segments.
    Directory(&'a Path),
}

impl<'a> Destination<'a> {
    pub fn of(path: &'a Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        match extension {
            None if path == Path::new("-") => Self::Stdout,
            Some("zst" | "jsonl") if !slash => Self::File(path),
            _ => Self::Directory(path),
        }
    }
}

/// When a directory of segments gets its next one, and how many stay.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Recording")]
pub struct Keeping {
    /// Begin the next segment when one is this large: 64M, 1G [default: 64M, or a quarter of --max-disk]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub rotate_size: Option<u64>,

    /// The same in millions of bytes, as in tcpdump: -C 64
    #[arg(short = 'C', value_name = "SIZE", value_parser = parse_millions)]
    #[arg(conflicts_with = "rotate_size")]
    pub millions: Option<u64>,

    /// Begin the next segment when one is this old: 10m, 1h [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = parse_age)]
    pub rotate_time: Option<Duration>,

    /// The same in seconds, as in tcpdump: -G 3600
    #[arg(short = 'G', value_name = "SECONDS", value_parser = parse_seconds)]
    #[arg(conflicts_with = "rotate_time")]
    pub seconds: Option<Duration>,

    /// Keep so many segments in the directory, the oldest go [default: 20]
    #[arg(long, short = 'W', value_name = "COUNT")]
    pub keep: Option<NonZeroU32>,

    /// Keep all segments of the directory together below this, the oldest go [default: 2G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_disk: Option<u64>,

    /// Leave this much of the disk free, or stop recording: 5%, 10G [default: 5%]
    #[arg(long, value_name = "SHARE", value_parser = parse_floor)]
    pub min_free: Option<Floor>,
}

impl Keeping {
    pub fn rotation(&self) -> Rotation {
        let size = self.size().unwrap_or(SIZE.min(self.max_disk() / 4));
        Rotation { size, age: self.rotate_time.or(self.seconds).unwrap_or(AGE) }
    }

    pub fn retention(&self) -> Retention {
        let keep = self.keep.unwrap_or(KEEP);
        Retention { keep, max_disk: self.max_disk(), min_free: self.min_free() }
    }

    pub fn min_free(&self) -> Floor {
        self.min_free.unwrap_or(Floor::Percent(MIN_FREE))
    }

    fn max_disk(&self) -> u64 {
        self.max_disk.unwrap_or(MAX_DISK)
    }

    fn size(&self) -> Option<u64> {
        self.rotate_size.or(self.millions)
    }

    /// What does not fit together, as a sentence.
    pub(super) fn complaint(&self, to: Destination) -> Option<String> {
        match to {
            Destination::Directory(_) => self.lacks_room().then(|| NO_ROOM.to_owned()),
            Destination::File(path) => self.of_segments().map(|option| {
                let path = path.display();
                format!("{option} is for a directory of segments, and {path} is one file. Leave it out, or give a directory")
            }),
            Destination::Stdout => self.given().map(|option| {
                format!("{option} does not go with stdout. Leave it out, or record to a directory")
            }),
        }
    }

    /// While one segment is being written, there must be another one that can go.
    fn lacks_room(&self) -> bool {
        self.size().is_some_and(|size| size > self.max_disk() / 2)
    }

    /// The first option that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        self.of_segments().or(self.min_free.map(|_| "--min-free"))
    }

    fn of_segments(&self) -> Option<&'static str> {
        let others = [(self.keep.is_some(), "--keep"), (self.max_disk.is_some(), "--max-disk")];
        let other = others.into_iter().find(|(given, _)| *given).map(|(_, option)| option);
        self.of_rotation().or(other)
    }

    /// The first option that says when a segment ends.
    pub(super) fn of_rotation(&self) -> Option<&'static str> {
        let options = [
            (self.rotate_size.is_some(), "--rotate-size"),
            (self.millions.is_some(), "-C"),
            (self.rotate_time.is_some(), "--rotate-time"),
            (self.seconds.is_some(), "-G"),
        ];
        options.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }
}

const NO_ROOM: &str = "--max-disk has no room for two segments of this size. Make it larger, or the segments smaller (--rotate-size)";

/// Bytes.
const SIZE: u64 = 64_000_000;
const AGE: Duration = Duration::from_hours(1);
const KEEP: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
/// Bytes.
const MAX_DISK: u64 = 2_000_000_000;
/// Percent.
const MIN_FREE: u8 = 5;

fn parse_size(text: &str) -> Result<u64, String> {
    size(text).ok_or_else(|| "expected a number with a unit (K, M, G, T) such as 64M".into())
}

/// tcpdump's `-C`.
fn parse_millions(text: &str) -> Result<u64, String> {
    let millions = text.parse::<u64>().ok().and_then(|number| number.checked_mul(1_000_000));
    let size = millions.filter(|size| *size > 0).or_else(|| size(text));
    size.ok_or_else(|| "expected millions of bytes such as 64, or a unit (K, M, G) with it".into())
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let age = parse_duration(text)?;
    if age.is_zero() { Err("expected more than no time at all".into()) } else { Ok(age) }
}

/// tcpdump's `-G`.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) | Err(_) => parse_age(text),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

fn parse_floor(text: &str) -> Result<Floor, String> {
    floor(text).ok_or_else(|| "expected a share such as 5%, or a size such as 10G".into())
}

fn floor(text: &str) -> Option<Floor> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|percent| *percent < 100).map(Floor::Percent),
        None => size(text).map(Floor::Bytes),
    }
}

/// Bytes, at least one; units are powers of ten, as for disks.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_where(text, |c| !c.is_ascii_digit());
    let unit = match unit {
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(words: &str) -> Result<Keeping, clap::Error> {
        let words = format!("tcpwatch record {words}");
        let cli = Cli::try_from_words(words.split_whitespace())?;
        match cli.command {
            Command::Record(record) => Ok(record.how.keeping),
            _ => unreachable!(),
        }
    }

    fn refused(words: &str) -> String {
        let error = parsed(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words}");
        error.to_string()
    }

    #[test]
    fn names_decide_where_a_recording_goes() {
        let to = |path: &'static str| Destination::of(Path::new(path));
        assert_eq!(to("-"), Destination::Stdout);
        for file in ["x.tcpw.jsonl.zst", "dir/x.jsonl"] {
            assert_eq!(to(file), Destination::File(Path::new(file)));
        }
        for directory in ["/var/lib/tcpwatch", "x.zst/", "./-", "x.d"] {
            assert_eq!(to(directory), Destination::Directory(Path::new(directory)));
        }
    }

    #[test]
    fn nothing_said_means_bounds_all_the_same() {
        let keeping = parsed("-o d").unwrap();
        assert_eq!(keeping.rotation(), Rotation { size: 64_000_000, age: AGE });
        let min_free = Floor::Percent(5);
        assert_eq!(
            keeping.retention(),
            Retention { keep: KEEP, max_disk: 2_000_000_000, min_free }
        );
    }

    #[test]
    fn segments_are_small_where_there_is_little_room() {
        let rotation = |words| parsed(words).unwrap().rotation().size;
        assert_eq!(rotation("-o d --max-disk 20M"), 5_000_000);
        assert_eq!(rotation("-o d --max-disk 20M --rotate-size 10M"), 10_000_000);
        let said = refused("-o d --max-disk 20M --rotate-size 11M");
        assert!(said.contains("--max-disk has no room for two segments"), "{said}");
    }

    #[test]
    fn tcpdump_s_words_mean_the_same() {
        let ours = parsed("-o d --rotate-size 5M --rotate-time 60s --keep 3").unwrap();
        let theirs = parsed("-o d -C 5 -G 60 -W 3").unwrap();
        assert_eq!(ours.rotation(), theirs.rotation());
        assert_eq!(ours.retention(), theirs.retention());
        assert_eq!(parsed("-o d -C 5K -G 5m").unwrap().rotation().size, 5_000);
        refused("-o d -C 5 --rotate-size 5M");
        refused("-o d -G 5 --rotate-time 5s");
    }

    #[test]
    fn bounds_of_a_directory_are_for_directories() {
        let options =
            ["--rotate-size 5M", "-C 5", "--rotate-time 5s", "-G 5", "--keep 2", "--max-disk 5M"];
        for option in options {
            let said = refused(&format!("-o x.zst {option}"));
            let name = option.split(' ').next().unwrap();
            assert!(said.contains(&format!("{name} is for a directory")), "{said}");
            assert!(refused(&format!("-o - {option}")).contains("does not go with stdout"));
        }
        assert_eq!(
            parsed("-o x.zst --min-free 1G").unwrap().min_free(),
            Floor::Bytes(1_000_000_000)
        );
        assert!(refused("-o - --min-free 1G").contains("does not go with stdout"));
    }

    #[test]
    fn wrong_values_name_the_accepted_form() {
        for size in ["", "5", "M", "0M", "-5M", "5MB", "1.5G", "99999999999999999T"] {
            assert!(refused(&format!("-o d --max-disk={size}")).contains("such as 64M"), "{size}");
        }
        for share in ["", "5", "100%", "-1%", "%", "1.5%"] {
            assert!(refused(&format!("-o d --min-free={share}")).contains("such as 5%"), "{share}");
        }
        for wrong in ["-C 0", "-C x", "-G 0", "-G -1", "-W 0", "--rotate-time 0s", "--keep x"] {
            refused(&format!("-o d {wrong}"));
        }
    }

    #[test]
    fn bounds_without_a_recording_are_a_mistake() {
        let refused = |words: &str| {
            let words = format!("tcpwatch rst {words}");
            Cli::try_from_words(words.split_whitespace()).unwrap_err().to_string()
        };
        assert!(refused("--keep 3").contains("--keep is about a recording"));
        assert!(refused("--record - --explain").contains("stdout is taken"));
    }
}
