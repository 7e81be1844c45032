//! What is on one page: numbers and names, before anybody decides how they look.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::ends::Names;
use super::tally::Counts;
use crate::event::{Endpoint, Fact, LossStage, NetNs, Time};

/// The state of a run. Every reset is counted once, though both its ends are here.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Frame {
    #[serde(skip)]
    pub(super) time: Time,
    #[serde(skip)]
    pub(super) since: Time,
    /// Since the start of the run.
    #[serde(rename = "watched_s", serialize_with = "seconds")]
    pub(super) watched: Duration,
    pub(super) resets: Counts,
    pub(super) explained: Counts,
    pub(super) unexplained: Counts,
    /// Verdicts on the second end of a reset that is counted already: with `resets`, all verdicts shown.
    pub(super) other_ends: Counts,
    pub(super) symptoms: Vec<SymptomRow>,
    pub(super) causes: Vec<CauseRow>,
    /// Without what hurts nobody.
    pub(super) pairs: Vec<PairRow>,
    pub(super) other_pairs: Counts,
    /// Servers of this host, without what hurts nobody.
    pub(super) servers: Vec<ServerRow>,
    pub(super) other_servers: Counts,
    pub(super) amended: Vec<AmendedRow>,
    pub(super) lost: Vec<LostRow>,
    /// What cannot be seen, or only in part.
    pub(super) blind: Vec<Fact>,
}

/// Whole ones as integers, others to the millisecond.
fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match time.subsec_millis() {
        0 => to.serialize_u64(time.as_secs()),
        _ => to.serialize_f64((time.as_secs_f64() * 1e3).round() / 1e3),
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct SymptomRow {
    pub(super) symptom: &'static str,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct CauseRow {
    /// A code, or [`crate::explain::verdict::UNEXPLAINED`].
    pub(super) cause: &'static str,
    /// Nobody is hurt.
    pub(super) benign: bool,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct PairRow {
    pub(super) netns: Namespace,
    pub(super) client: Client,
    pub(super) server: Listening,
    /// The most frequent one of the last minute, or else of the run.
    pub(super) cause: &'static str,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ServerRow {
    pub(super) netns: Namespace,
    pub(super) server: Listening,
    /// The most frequent one of the last minute, or else of the run.
    pub(super) cause: &'static str,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Namespace {
    pub(super) inode: NetNs,
    pub(super) name: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Client {
    pub(super) addr: std::net::IpAddr,
    /// Programs seen there, the first few.
    pub(super) owners: Names,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Listening {
    #[serde(flatten)]
    pub(super) at: Endpoint,
    /// Programs seen there, the first few.
    pub(super) owners: Names,
}

/// Verdicts of which a later fact said more. They count under their first cause.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct AmendedRow {
    pub(super) cause: &'static str,
    pub(super) count: u64,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LostRow {
    pub(super) fact: Fact,
    pub(super) stage: LossStage,
    #[serde(flatten)]
    pub(super) counts: Counts,
}
