//! How full was a conntrack table, and what did it drop for want of room?

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::event::{ConntrackCounters, CountersRead, NetNs, Time};

/// Readings of each namespace's counters, the latest last.
#[derive(Default)]
pub struct ConntrackPressure {
    readings: BTreeMap<NetNs, VecDeque<(Time, ConntrackCounters)>>,
}

/// What happened between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    pub since: Time,
    pub until: Time,
    /// Entries removed for want of room meanwhile.
    pub early_drops: u64,
    /// At the end.
    pub entries: u64,
    pub limit: u64,
}

impl ConntrackPressure {
    pub fn counters(&mut self, read: &CountersRead) {
        let Some(counters) = read.conntrack else { return };
        let readings = self.readings.entry(read.netns).or_default();
        if readings.len() == KEPT {
            readings.pop_front();
        }
        readings.push_back((read.time, counters));
    }

    pub fn forget(&mut self, netns: NetNs) {
        self.readings.remove(&netns);
    }

    /// Between the readings around `time`.
    pub fn about(&self, netns: NetNs, time: Time) -> Option<Pressure> {
        let readings = self.readings.get(&netns)?;
        let (since, before) = *readings.iter().rev().find(|(at, _)| *at < time)?;
        let (until, after) = *readings.iter().find(|(at, _)| *at >= time)?;
        let early_drops = after.early_drops.saturating_sub(before.early_drops);
        let pressure =
            Pressure { since, until, early_drops, entries: after.entries, limit: after.limit };
        (until.since(time) <= PROMPT).then_some(pressure)
    }
}

impl Pressure {
    /// So full that the kernel looks for entries it can do without (net/netfilter/nf_conntrack_core.c, `gc_worker`:
    /// 95 % of `nf_conntrack_max`).
    pub fn is_full(&self) -> bool {
        self.limit > 0 && self.entries.saturating_mul(100) >= self.limit.saturating_mul(95)
    }
}

/// Readings kept of one namespace: verdicts look back a second.
const KEPT: usize = 16;

/// A reading later than this says nothing of how full the table was.
const PROMPT: Duration = Duration::from_secs(1);
