//! How many resets left each namespace, by our count and by the kernel's.

use std::collections::BTreeMap;

use crate::event::{CountersRead, NetNs};

/// One account per namespace.
#[derive(Default)]
pub struct Accounts {
    by_namespace: BTreeMap<NetNs, Account>,
}

/// What we saw leave a namespace, between two readings of the kernel's counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub sent: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl Account {
    /// Growth of the kernel's `OutRsts`; a single reading says nothing about growth.
    pub fn out_rsts(&self) -> Option<u64> {
        Some(self.last?.saturating_sub(self.first?))
    }

    /// The kernel's count minus ours.
    pub fn difference(&self) -> Option<i64> {
        Some(self.out_rsts()?.cast_signed() - self.sent.cast_signed())
    }
}

impl Accounts {
    pub fn sent(&mut self, netns: NetNs) {
        self.by_namespace.entry(netns).or_default().sent += 1;
    }

    pub fn counters(&mut self, read: &CountersRead) {
        let account = self.by_namespace.entry(read.netns).or_default();
        match account.first {
            None => account.first = Some(read.out_rsts),
            Some(_) => account.last = Some(read.out_rsts),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (NetNs, &Account)> {
        self.by_namespace.iter().map(|(netns, account)| (*netns, account))
    }
}
