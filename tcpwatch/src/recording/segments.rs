//! A recording in a directory of segments: the oldest go when the newest need their room.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::directory::Directory;
use super::limits::Retention;
use super::name::{self, Age, part, unfinished};
use super::part::Part;
use super::repair::repair_all;
use super::target::Target;

/// The segments of a directory, by whichever run, and the one that is open.
pub(super) struct Segments {
    directory: Arc<Directory>,
    retention: Retention,
    open: Option<Part>,
    /// Bytes of all others, when they were last looked at.
    others: u64,
    /// Segments.
    removed: u64,
}

/// A segment that is complete.
#[derive(Clone)]
struct Finished {
    age: Age,
    name: String,
    size: u64,
}

impl Segments {
    /// Repairs what dead writers have left, and says at once if there is no room.
    pub(super) fn new(path: &Path, retention: Retention) -> anyhow::Result<Self> {
        let directory = Arc::new(Directory::of_segments(path)?);
        repair_all(&directory).with_context(|| format!("cannot list {}", path.display()))?;
        let (open, others, removed) = (None, 0, 0);
        let mut segments = Self { directory, retention, open, others, removed };
        segments.make_room(0)?;
        Ok(segments)
    }

    /// Makes sure that `coming` bytes more are within all limits, at the price of the oldest segments.
    fn make_room(&mut self, coming: u64) -> anyhow::Result<()> {
        let mut oldest_first = self.look()?.into_iter();
        let open = self.open_size() + coming;
        let keep = usize::try_from(self.retention.keep.get() - 1).unwrap_or(usize::MAX);
        while oldest_first.len() > keep || self.others + open > self.retention.max_disk {
            let Some(oldest) = oldest_first.next() else { break };
            self.remove(&oldest)?;
        }
        self.free(oldest_first, coming)
    }

    /// Makes room for others on the disk. Where all our segments together are not enough, none is sacrificed.
    fn free(
        &mut self,
        mut oldest_first: impl Iterator<Item = Finished> + Clone,
        coming: u64,
    ) -> anyhow::Result<()> {
        let ours = oldest_first.clone().map(|finished| finished.size).sum();
        let min_free = self.retention.min_free;
        while let Err(too_full) = self.directory.keep_free(min_free, coming, 0) {
            self.directory.keep_free(min_free, coming, ours)?;
            let Some(oldest) = oldest_first.next() else { return Err(too_full) };
            self.remove(&oldest)?;
        }
        Ok(())
    }

    /// Finished segments, oldest first. Those that another tcpwatch is writing count, but are its own.
    fn look(&mut self) -> anyhow::Result<Vec<Finished>> {
        let (mut finished, mut others) = (Vec::new(), 0);
        let ours = self.open.as_ref().map(|open| part(open.name()));
        for file in self.directory.files().context("cannot list the directory of segments")? {
            let whole_name = unfinished(&file.name).unwrap_or(&file.name);
            let Some(age) = name::age(whole_name) else { continue };
            if ours.as_ref() == Some(&file.name) {
                continue;
            }
            others += file.size;
            if unfinished(&file.name).is_none() {
                finished.push(Finished { age, name: file.name, size: file.size });
            }
        }
        self.others = others;
        finished.sort_by(|one, other| one.age.cmp(&other.age));
        Ok(finished)
    }

    fn remove(&mut self, oldest: &Finished) -> anyhow::Result<()> {
        let path = self.directory.path_of(&oldest.name);
        match self.directory.remove(&oldest.name) {
            // Another tcpwatch needed its room too.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            _ => log::info!("{}: removed to make room", path.display()),
        }
        self.removed += 1;
        self.others = self.others.saturating_sub(oldest.size);
        Ok(())
    }

    /// There are segments of other runs too.
    pub(super) fn is_shared(&self) -> bool {
        self.others > 0
    }

    fn has_room(&self, coming: u64) -> anyhow::Result<bool> {
        let within = self.others + self.open_size() + coming <= self.retention.max_disk;
        Ok(within && self.retention.min_free.allows(coming, self.directory.space()?))
    }

    fn open_size(&self) -> u64 {
        self.open.as_ref().map_or(0, Part::size)
    }
}

impl Target for Segments {
    fn begin(&mut self, name: &str) -> anyhow::Result<()> {
        self.make_room(0)?;
        let made = Part::create(&self.directory, name);
        let path = self.directory.path_of(name);
        self.open = Some(made.with_context(|| format!("cannot create {}", path.display()))?);
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let coming = u64::try_from(frame.len())?;
        if !self.has_room(coming)? {
            self.make_room(coming)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.write(frame).with_context(|| {
            format!("cannot write to {}", self.directory.path_of(open.name()).display())
        })
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let path = self.directory.path_of(open.name());
        self.others += open.size();
        open.finish().with_context(|| format!("cannot finish {}", path.display()))
    }

    fn removed(&self) -> u64 {
        self.removed
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::num::NonZeroU32;

    use super::*;
    use crate::recording::limits::Floor;
    use crate::recording::samples::Folder;

    const ALL: Retention =
        Retention { keep: NonZeroU32::MAX, max_disk: u64::MAX, min_free: Floor::Percent(0) };

    fn keep(segments: u32) -> Retention {
        Retention { keep: NonZeroU32::new(segments).unwrap(), ..ALL }
    }

    fn named(minute: u32) -> String {
        format!("web-20261121T12{minute:02}00Z-5f3a9c01-00000.tcpw.jsonl.zst")
    }

    /// Segments of 100 bytes, one a minute.
    fn with_segments(minutes: std::ops::Range<u32>) -> Folder {
        let folder = Folder::new();
        for minute in minutes {
            fs::write(folder.path().join(named(minute)), [0; 100]).unwrap();
        }
        folder
    }

    fn opened(folder: &Folder, retention: Retention) -> Segments {
        Segments::new(folder.path(), retention).unwrap()
    }

    fn minutes(folder: &Folder) -> Vec<u32> {
        let found = (0..60).filter(|minute| folder.path().join(named(*minute)).exists());
        found.collect()
    }

    #[test]
    fn the_oldest_go_and_the_open_one_counts() {
        let folder = with_segments(10..20);
        let mut segments = opened(&folder, keep(4));
        segments.begin(&named(20)).unwrap();
        segments.write(&[0; 100]).unwrap();
        assert_eq!(minutes(&folder), [17, 18, 19]);
        segments.end().unwrap();
        assert_eq!(minutes(&folder), [17, 18, 19, 20]);
        segments.begin(&named(21)).unwrap();
        assert_eq!(minutes(&folder), [18, 19, 20]);
    }

    #[test]
    fn together_they_never_take_more_than_they_may() {
        let folder = with_segments(10..20);
        let mut segments = opened(&folder, Retention { max_disk: 550, ..ALL });
        assert_eq!(minutes(&folder), [15, 16, 17, 18, 19]);
        segments.begin(&named(20)).unwrap();
        segments.write(&[0; 50]).unwrap();
        assert_eq!(minutes(&folder).len(), 5, "550 bytes are within");
        segments.write(&[0; 1]).unwrap();
        assert_eq!(minutes(&folder), [16, 17, 18, 19]);
        segments.write(&[0; 499]).unwrap();
        assert_eq!(minutes(&folder), [0; 0]);
        segments.write(&[0; 100]).unwrap();
        segments.end().unwrap();
        assert_eq!(minutes(&folder), [20], "the open one is never cut");
    }

    #[test]
    fn others_files_are_neither_counted_nor_touched() {
        let folder = with_segments(10..12);
        let theirs = ["notes.txt", "incident.tcpw.jsonl.zst", "a-b-c-00000.tcpw.jsonl.zst"];
        for name in theirs {
            fs::write(folder.path().join(name), [0; 9_999]).unwrap();
        }
        fs::create_dir(folder.path().join(named(5))).unwrap();
        std::os::unix::fs::symlink("notes.txt", folder.path().join(named(6))).unwrap();
        let segments = opened(&folder, Retention { max_disk: 150, ..ALL });
        assert_eq!((minutes(&folder), segments.others), (vec![5, 6, 11], 100));
        assert!(theirs.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn what_another_tcpwatch_writes_counts_and_stays() {
        let folder = with_segments(10..12);
        let mut other = opened(&folder, ALL);
        other.begin(&named(9)).unwrap();
        other.write(&[0; 100]).unwrap();
        let ours = opened(&folder, Retention { max_disk: 250, ..ALL });
        assert_eq!((minutes(&folder), ours.others), (vec![11], 200));
        other.end().unwrap();
        assert_eq!(minutes(&folder), [9, 11]);
    }

    #[test]
    fn a_disk_that_others_have_filled_costs_no_segment() {
        let folder = with_segments(10..12);
        let min_free = Floor::Bytes(u64::MAX / 2);
        let refused = Segments::new(folder.path(), Retention { min_free, ..ALL });
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("and --min-free") && said.contains("keeps them free"), "{said}");
        assert_eq!(minutes(&folder), [10, 11]);
    }
}
