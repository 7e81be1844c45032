//! How much a recording may take, and when a directory gets its next segment.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// When a directory gets its next segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes on disk.
    pub size: u64,
    pub age: Duration,
}

/// What the segments of a directory may take together. The oldest go first, never the open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Segments, the open one included.
    pub keep: NonZeroU32,
    /// Bytes.
    pub max_disk: u64,
    pub min_free: Floor,
}

/// What must stay free on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    Bytes(u64),
    /// Of the whole disk, 0 to 99.
    Percent(u8),
}

impl Floor {
    /// Would so many more bytes keep it free? Where nothing is to stay free, the disk itself says when it is full.
    pub(super) fn allows(self, bytes: u64, space: Space) -> bool {
        let floor = self.of(space.whole);
        floor == 0 || space.whole == 0 || space.free >= floor.saturating_add(bytes)
    }

    fn of(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => whole / 100 * u64::from(percent),
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => Size(*bytes).fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// What a file system says of its room, in bytes. One without blocks, as memory without a limit, says 0 of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) free: u64,
    pub(super) whole: u64,
}

/// Bytes, for people.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => {
                write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit * 10 / unit)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_of_bytes_or_of_the_whole_disk() {
        let space = Space { free: 60, whole: 1_000 };
        assert!(Floor::Percent(5).allows(10, space));
        assert!(!Floor::Percent(5).allows(11, space));
        assert!(Floor::Bytes(60).allows(0, space));
        assert!(!Floor::Bytes(60).allows(1, space));
    }

    #[test]
    fn no_floor_leaves_it_to_the_disk() {
        assert!(Floor::Percent(0).allows(1, Space { free: 0, whole: 1_000 }));
    }

    #[test]
    fn where_there_are_no_blocks_there_is_no_floor() {
        let space = Space { free: 0, whole: 0 };
        assert!(Floor::Bytes(1).allows(1, space) && Floor::Percent(99).allows(1, space));
    }

    #[test]
    fn sizes_are_told_in_the_largest_unit() {
        let told = [999, 1_500, 2_000_000, 3_450_000_000].map(|bytes| Size(bytes).to_string());
        assert_eq!(told, ["999 bytes", "1.5 KB", "2.0 MB", "3.4 GB"]);
    }
}
