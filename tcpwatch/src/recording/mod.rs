//! Events on disk: what a run was told, in the order it was told, so that it can be explained again anywhere.
//!
//! A recording holds events, never verdicts: an old one gains from new causes. `format.md` describes the files and
//! promises that they stay readable.

mod anonymize;
mod context;
mod directory;
mod foreign;
mod frame;
mod frames;
mod gap;
mod inputs;
mod lane;
mod limits;
mod line;
mod name;
mod pace;
mod part;
mod place;
mod reader;
mod recorder;
mod repair;
mod report;
mod ring;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema;
mod segment;
mod segments;
mod single;
mod stream;
mod target;
mod text;
mod trigger;
mod upgrade;
mod writer;
mod written;

pub use anonymize::{Anonymizer, Level};
pub use limits::{Floor, Retention, Rotation};
pub use line::{Account, End, Header, Line, Start};
pub use place::Place;
pub use reader::{Damage, Reader};
pub use recorder::{Flight, Recorder};
pub use stream::{Extent, Stream, Told};
pub use trigger::Trigger;

/// Raised when a name changes its meaning or goes; `upgrade` then gets a row. New names come without.
pub const SCHEMA: u32 = 1;

/// How the name of a recording ends; while it is written, [`PART`] follows.
pub const EXTENSION: &str = ".tcpw.jsonl.zst";

/// How the name of a recording in plain text ends.
pub const PLAIN: &str = ".tcpw.jsonl";

/// Ends the name of a file that is still being written, or was when its writer died.
pub const PART: &str = ".part";
