//! What lies under `tests/incidents`, and how it is read. Its layout is described there, in README.md.

use std::fs;
use std::path::{Path, PathBuf};

use tcpwatch::event::Event;
use tcpwatch::recording::{Account, Stream, Told};

use crate::Outcome;

/// One scenario as several kernels showed it: `FAMILY/SENTENCE`.
pub(crate) struct Story {
    /// `FAMILY::SENTENCE`.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) incidents: Vec<Incident>,
}

/// One recording: `FAMILY/SENTENCE/IP-KERNEL-WAY`.
#[derive(Clone)]
pub(crate) struct Incident {
    /// `FAMILY::SENTENCE::IP-KERNEL-WAY`.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

/// What a recording holds.
pub(crate) struct Recorded {
    pub(crate) events: Vec<Event>,
    /// How the run that was recorded ended.
    pub(crate) account: Account,
}

impl Story {
    pub(crate) fn all() -> Vec<Self> {
        let families = folders(&root());
        let stories = families.iter().flat_map(|family| folders(family));
        stories.map(Self::at).collect()
    }

    fn at(folder: PathBuf) -> Self {
        let incidents = folders(&folder).into_iter().map(Incident::at).collect();
        Self { name: name_of(&folder), folder, incidents }
    }
}

impl Incident {
    fn at(folder: PathBuf) -> Self {
        Self { name: name_of(&folder), folder }
    }

    pub(crate) fn recording(&self) -> PathBuf {
        self.folder.join("recording.jsonl")
    }

    /// `v4-6.1-fentry`
    pub(crate) fn place(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or_default()
    }

    /// Kept recordings are whole: whatever the reader has to remark is a failure.
    pub(crate) fn read(&self) -> Result<Recorded, String> {
        let mut stream = Stream::open(&[self.recording()]);
        let mut events = Vec::new();
        while let Some(told) = stream.next_told() {
            match told {
                Told::Event(_, event) => events.push(event),
                Told::Note(note) => return Err(note),
                Told::Ended(_) => {}
            }
        }
        let account = stream.account().ok_or("the recording has no account at its end")?;
        Ok(Recorded { events, account })
    }
}

/// A folder without files would be a test that cannot fail.
pub(crate) fn are_there() -> Outcome {
    let stories = Story::all();
    if stories.is_empty() {
        return Err(format!("{} holds no incident", root().display()).into());
    }
    let empty =
        stories.iter().filter(|story| story.incidents.is_empty()).map(|story| &story.folder);
    let torn = stories.iter().flat_map(|story| &story.incidents);
    let torn = torn.filter(|incident| !incident.recording().is_file()).map(|each| &each.folder);
    let wrong: Vec<_> = empty.chain(torn).map(|folder| folder.display().to_string()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("there is no recording in\n  {}", wrong.join("\n  ")).into())
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents")
}

fn name_of(folder: &Path) -> String {
    let inside = folder.strip_prefix(root()).unwrap_or(folder);
    inside.to_string_lossy().replace('/', "::")
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
