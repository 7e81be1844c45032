//! A run written into many segments: together they are the run, and each read alone claims nothing the run did not.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tcpwatch::event::Event;
use tcpwatch::recording::{Account, Floor, Place, Recorder, Retention, Rotation, Stream, Told};

use super::Tried;
use crate::Outcome;
use crate::replay::judge;

pub(super) fn loses_nothing_and_invents_nothing(tried: &Tried) -> Outcome {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(tried.name.replace("::", "."));
    let _ = fs::remove_dir_all(&folder);
    let held = hold(tried, &folder);
    let _ = fs::remove_dir_all(&folder);
    held
}

fn hold(tried: &Tried, folder: &Path) -> Outcome {
    record(tried, folder).map_err(|error| format!("{error:#}"))?;
    let segments = files(folder);
    tried.says_the_same(&judge(read(&segments)), "written into segments and read again")?;
    for first in 0..segments.len() {
        let how = format!("segment {first} of {} alone", segments.len());
        let alone = judge(read(&segments[first..=first]));
        tried.claims_no_more_than(&alone, &how, without_the_past)?;
        let how = format!("from segment {first} of {} on", segments.len());
        let resumed = judge(read(&segments[first..]));
        tried.claims_no_more_than(&resumed, &how, without_the_past)?;
    }
    Ok(())
}

/// Both say that nothing listens now; that something did until before is known only to who has seen the past. The
/// evidence says how far back that is known.
fn without_the_past(whole: &str, part: &str) -> bool {
    (whole, part) == ("listener-closed", "no-listener")
}

fn record(tried: &Tried, folder: &Path) -> anyhow::Result<()> {
    let rotation = Rotation { size: u64::MAX, age: AGE };
    let retention =
        Retention { keep: NonZeroU32::MAX, max_disk: u64::MAX, min_free: Floor::Percent(0) };
    let mut recorder = Recorder::patient(Place::directory(folder, rotation, retention)?)?;
    tried.events().iter().for_each(|event| recorder.record(event));
    recorder.finish(Some(Account::default()))
}

/// In the order of their numbers.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn read(segments: &[PathBuf]) -> Vec<Event> {
    let mut stream = Stream::open(segments);
    let told = std::iter::from_fn(|| stream.next_told());
    told.filter_map(|told| match told {
        Told::Event(_, event) => Some(event),
        Told::Note(_) | Told::Ended(_) => None,
    })
    .collect()
}

/// Of event time: some segments for each incident.
const AGE: Duration = Duration::from_millis(150);
