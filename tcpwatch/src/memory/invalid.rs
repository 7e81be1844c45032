//! With which packets did conntrack find fault lately?

use std::time::Duration;

use super::bounded::History;
use crate::event::{ConntrackInvalid, Time, Tuple};

/// Packets by their headers. They matter only to the reset that answers them, moments later.
pub struct InvalidPackets {
    by_headers: History<Tuple, ConntrackInvalid>,
}

impl Default for InvalidPackets {
    fn default() -> Self {
        Self { by_headers: History::new(16_384, FRESH) }
    }
}

impl InvalidPackets {
    pub fn found(&mut self, invalid: &ConntrackInvalid) {
        self.by_headers.push(invalid.time, invalid.headers(), invalid.clone());
    }

    /// The latest packet with these headers and this sequence number that conntrack saw shortly before `until`.
    pub fn of(&self, headers: Tuple, seq: u32, until: Time) -> Option<&ConntrackInvalid> {
        let before =
            |found: &&ConntrackInvalid| found.time <= until && until.since(found.time) <= PASSAGE;
        let same = |found: &&ConntrackInvalid| found.segment.seq == seq;
        self.by_headers.of(headers).rev().filter(before).find(same)
    }
}

/// Cases close a fraction of a second after the reset.
const FRESH: Duration = Duration::from_secs(2);

/// How long a packet may take from conntrack to the socket it does not find, queues included.
pub const PASSAGE: Duration = Duration::from_millis(500);
