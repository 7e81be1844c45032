//! From verdicts to bytes: one format per file, none of which asks which cause it is.
//!
//! Formats gather bytes and hand them on when told to: one write per drain of the rings, because text is the
//! slowest part of the whole way. What they write depends on the events alone, never on when it is written.

mod account;
mod banner;
mod block;
mod clock;
mod csv;
pub mod doctor;
mod escape;
mod evidence;
mod explain;
mod fold;
mod hosts;
mod json;
mod line;
mod losses;
mod out;
mod owner;
pub mod page;
mod paint;
#[cfg(feature = "parquet")]
mod parquet;
mod pcapng;
mod sheet;
mod table;
mod top;
mod totals;
pub mod why;
mod wrap;

use std::io;
use std::time::Duration;

use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Totals, Verdict};

pub use account::Account;
pub use banner::Banner;
pub use clock::Clock;
pub use csv::Csv;
pub use escape::Clean;
pub use explain::Explain;
pub use json::{Json, SCHEMA, json_line};
pub use line::Line;
pub use paint::Paint;
#[cfg(feature = "parquet")]
pub use parquet::Parquet;
pub use pcapng::Pcapng;
pub use top::{Size, Top};

/// Where conclusions go. An error means that nobody reads any more.
pub trait Sink {
    /// The machine and its clocks; before anything that bears a time.
    fn started(&mut self, host: &HostDescribed) -> io::Result<()>;

    /// What follows is of this one of several hosts, until another one is named. Never called where there is only
    /// one. Its clocks may have been read anew since it started.
    fn host(&mut self, host: &HostDescribed) -> io::Result<()>;

    /// What this run can see; again whenever that changes.
    fn coverage(&mut self, coverage: &CoverageDeclared) -> io::Result<()>;

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()>;

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()>;

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()>;

    /// The last thing a sink is told.
    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()>;

    /// Event time has come this far: what was held back in order to be counted may be due.
    fn until(&mut self, _now: Time) -> io::Result<()> {
        Ok(())
    }

    /// Writes what was gathered.
    fn flush(&mut self) -> io::Result<()>;
}

/// The account of a run, with what only the run itself can know.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    pub totals: &'a Totals,
    /// Verdicts that were counted but not shown, because of filters or `--count`.
    pub hidden: u64,
    /// Our own; `None` when a recording is replayed.
    pub cpu: Option<Duration>,
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod schema;
