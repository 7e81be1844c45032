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
}

/// A segment that is complete.
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
        let mut segments = Self { directory, retention, open: None, others: 0 };
        segments.make_room(0)?;
        Ok(segments)
    }

    /// Makes sure that `coming` bytes more are within all limits, at the price of the oldest segments.
    fn make_room(&mut self, coming: u64) -> anyhow::Result<()> {
        let mut finished = self.look()?;
        let open = self.open_size() + coming;
        let keep = usize::try_from(self.retention.keep.get() - 1).unwrap_or(usize::MAX);
        let mut oldest_first = finished.drain(..);
        while oldest_first.len() > keep || self.others + open > self.retention.max_disk {
            let Some(oldest) = oldest_first.next() else { break };
            self.remove(&oldest)?;
        }
        while let Err(too_full) = self.directory.keep_free(self.retention.min_free, coming) {
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
        self.others = self.others.saturating_sub(oldest.size);
        Ok(())
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
}
