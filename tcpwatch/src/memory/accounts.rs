//! How many resets left each namespace, by our count and by the kernel's.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{CountersRead, NetNs};

/// One account per namespace.
#[derive(Default)]
pub struct Accounts {
    living: BTreeMap<NetNs, Account>,
    /// Namespaces that are gone, whose inode numbers may be in use again: the latest, with their names.
    closed: VecDeque<Closed>,
}

/// The account of a namespace that is gone.
struct Closed {
    netns: NetNs,
    name: Option<String>,
    account: Account,
}

/// What we saw leave a namespace. Readings of the kernel's counter stand between the resets in order of time, so
/// each is held against what was seen up to then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    sent: u64,
    first: Option<Reading>,
    last: Option<Reading>,
}

/// The kernel's counter, and ours at that time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    out_rsts: u64,
    sent: u64,
}

impl Account {
    /// Resets seen since the first reading of the kernel's counter: what came before is in no account.
    pub fn sent(&self) -> u64 {
        self.sent - self.first.map_or(0, |first| first.sent)
    }

    /// Growth of the kernel's `OutRsts`; a single reading says nothing about growth.
    pub fn out_rsts(&self) -> Option<u64> {
        Some(self.last?.out_rsts.saturating_sub(self.first?.out_rsts))
    }

    /// The kernel's count minus ours, over the same time.
    pub fn difference(&self) -> Option<i64> {
        let seen = self.last?.sent - self.first?.sent;
        let out_rsts = i64::try_from(self.out_rsts()?).unwrap_or(i64::MAX);
        Some(out_rsts.saturating_sub_unsigned(seen))
    }
}

impl Accounts {
    pub fn sent(&mut self, netns: NetNs) {
        self.living.entry(netns).or_default().sent += 1;
    }

    /// A namespace that appeared during this run began to count at zero, and all it sent was seen.
    pub fn appeared(&mut self, netns: NetNs) {
        self.living.entry(netns).or_default().first.get_or_insert_default();
    }

    pub fn counters(&mut self, read: &CountersRead) {
        let account = self.living.entry(read.netns).or_default();
        let reading = Reading { out_rsts: read.out_rsts, sent: account.sent };
        match account.first {
            None => account.first = Some(reading),
            Some(_) => account.last = Some(reading),
        }
    }

    pub fn vanished(&mut self, netns: NetNs, name: Option<String>) {
        let Some(account) = self.living.remove(&netns).filter(|account| account.sent > 0) else {
            return;
        };
        if self.closed.len() == KEPT {
            self.closed.pop_front();
        }
        self.closed.push_back(Closed { netns, name, account });
    }

    pub fn living(&self) -> impl Iterator<Item = (NetNs, &Account)> {
        self.living.iter().map(|(netns, account)| (*netns, account))
    }

    pub fn closed(&self) -> impl Iterator<Item = (NetNs, Option<&str>, &Account)> {
        self.closed.iter().map(|closed| (closed.netns, closed.name.as_deref(), &closed.account))
    }
}

/// Accounts kept of namespaces that are gone.
const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Time;

    fn read(time: u64, out_rsts: u64) -> CountersRead {
        CountersRead { time: Time(time), netns: NetNs(1), out_rsts, ..CountersRead::default() }
    }

    #[test]
    fn a_counter_beyond_all_measure_is_a_difference_beyond_all_measure() {
        let mut accounts = Accounts::default();
        accounts.counters(&read(1, 0));
        accounts.sent(NetNs(1));
        accounts.counters(&read(2, u64::MAX));
        let differences: Vec<_> =
            accounts.living().map(|(_, account)| account.difference()).collect();
        assert_eq!(differences, [Some(i64::MAX - 1)]);
    }
}
