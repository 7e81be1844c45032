//! How far do the clocks of two hosts stand apart? Resets that went from one to the other tell.

use std::collections::BTreeMap;

use super::host::Host;
use crate::event::HostId;
use crate::explain::verdict::Skew;

/// For each pair of hosts, both ways.
#[derive(Default)]
pub(super) struct Skews {
    ways: BTreeMap<(HostId, HostId), Way>,
}

/// From one host to another.
#[derive(Clone, Copy)]
struct Way {
    /// The least that lay between sending and receiving, nanoseconds: the skew, and the shortest time on the way.
    least: i128,
    resets: u64,
}

impl Skews {
    pub(super) fn add(&mut self, from: HostId, to: HostId, took: i128) {
        let way = self.ways.entry((from, to)).or_insert(Way { least: took, resets: 0 });
        way.least = way.least.min(took);
        way.resets += 1;
    }

    /// One line for each pair. Where resets went both ways, the time on the way cancels out.
    pub(super) fn told(&self, hosts: &BTreeMap<HostId, Host>) -> Vec<Skew> {
        let mut pairs: Vec<_> = self.ways.keys().map(|(a, b)| (a.min(b), a.max(b))).collect();
        pairs.sort();
        pairs.dedup();
        let name = |id: &HostId| hosts.get(id).map(|host| host.described.hostname.clone());
        let told = |(one, other): (&HostId, &HostId)| {
            let (ahead, resets) = self.between(*one, *other);
            let ahead_ns = i64::try_from(ahead).unwrap_or_default();
            Some(Skew { host: name(other)?, reference: name(one)?, ahead_ns, resets })
        };
        pairs.into_iter().filter_map(told).collect()
    }

    /// By how much the other clock is ahead of the one, and of how many resets that is known.
    fn between(&self, one: HostId, other: HostId) -> (i128, u64) {
        let way = |from, to| self.ways.get(&(from, to)).copied();
        match (way(one, other), way(other, one)) {
            (Some(there), Some(back)) => {
                ((there.least - back.least) / 2, there.resets + back.resets)
            }
            (Some(there), None) => (there.least, there.resets),
            (None, Some(back)) => (-back.least, back.resets),
            (None, None) => (0, 0),
        }
    }
}
