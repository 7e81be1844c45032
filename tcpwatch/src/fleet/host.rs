//! What has to be known of one host in order to speak of another: its clock, its addresses, and what it could see.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::APART;
use crate::event::{Event, Fact, HostDescribed, NamespaceDescribed, NetNs, Time};
use crate::explain::verdict::Verdict;
use crate::memory::Coverage;

/// One host, by its own recordings.
pub(super) struct Host {
    pub(super) described: Arc<HostDescribed>,
    /// Wall clock minus boot clock, nanoseconds.
    offset: i128,
    now: Time,
    ended: bool,
    coverage: Coverage,
    namespaces: BTreeMap<NetNs, Vec<IpAddr>>,
    /// Since when any namespace has held an address.
    addresses: HashMap<IpAddr, Time>,
    /// When resets were sent whose sequence number says nothing, by the wall clock, in order.
    without_number: VecDeque<i128>,
}

impl Host {
    pub(super) fn new(described: Arc<HostDescribed>) -> Self {
        let mut coverage = Coverage::default();
        coverage.started(described.time);
        Self {
            offset: described.wall_offset(),
            now: described.time,
            described,
            ended: false,
            coverage,
            namespaces: BTreeMap::new(),
            addresses: HashMap::new(),
            without_number: VecDeque::new(),
        }
    }

    /// Nothing is known of the time in between.
    pub(super) fn begin_again(&mut self, described: Arc<HostDescribed>) {
        *self = Self::new(described);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn observe(&mut self, event: &Event) {
        self.now = self.now.max(event.time());
        match event {
            Event::CoverageDeclared(declared) => self.coverage.declare(declared),
            Event::EventsLost(lost) => self.coverage.lost(lost),
            Event::NamespaceDescribed(described) => self.describe(described),
            Event::NamespaceVanished(vanished) => self.hold(vanished.netns, Vec::new()),
            _ => {}
        }
    }

    pub(super) fn sent(&mut self, verdict: &Verdict, wall: i128) {
        if verdict.rst.seq != 0 {
            return;
        }
        while self.without_number.len() >= KEPT
            || self.without_number.front().is_some_and(|sent| *sent < wall - KEPT_FOR)
        {
            self.without_number.pop_front();
        }
        self.without_number.push_back(wall);
    }

    /// How far it has told; `None` when nothing more comes.
    pub(super) fn reached(&self) -> Option<i128> {
        (!self.ended).then(|| self.wall(self.now))
    }

    pub(super) fn wall(&self, time: Time) -> i128 {
        self.offset + i128::from(time.0)
    }

    pub(super) fn time_at(&self, wall: i128) -> Time {
        Time(u64::try_from((wall - self.offset).max(0)).unwrap_or(u64::MAX))
    }

    pub(super) fn holds(&self, addr: IpAddr) -> bool {
        self.addresses.contains_key(&addr)
    }

    /// Would a reset that it sent to another host at about that time have been seen, whatever its clock says?
    pub(super) fn saw_all_it_sent(&self, addr: IpAddr, wall: i128) -> bool {
        let (since, until) = (wall - APART, wall + APART);
        let held = self.addresses.get(&addr).is_some_and(|held| self.wall(*held) <= since);
        let sees = |fact| self.coverage.sees(fact, self.time_at(since));
        held && self.wall(self.described.time) <= since
            && self.wall(self.now) >= until
            && LEAVING.into_iter().all(sees)
    }

    /// Did a reset leave it at about that time whose sequence number says nothing?
    pub(super) fn sent_without_number(&self, wall: i128) -> bool {
        let from = self.without_number.partition_point(|sent| *sent < wall - APART);
        self.without_number.get(from).is_some_and(|sent| *sent <= wall + APART)
    }

    fn describe(&mut self, described: &NamespaceDescribed) {
        let addresses = described.addresses.iter().filter(|addr| !addr.is_loopback());
        let addresses: Vec<_> = addresses.copied().collect();
        for addr in &addresses {
            self.addresses.entry(*addr).or_insert(described.time);
        }
        self.hold(described.netns, addresses);
    }

    /// The namespace holds these addresses and no others any more.
    fn hold(&mut self, netns: NetNs, addresses: Vec<IpAddr>) {
        let before = self.namespaces.insert(netns, addresses).unwrap_or_default();
        for addr in before {
            if !self.namespaces.values().flatten().any(|held| *held == addr) {
                self.addresses.remove(&addr);
            }
        }
    }
}

/// The facts that tell of resets leaving a host.
const LEAVING: [Fact; 2] = [Fact::RstSent, Fact::ConnectionAborted];

/// Times kept, in a storm, and for how long.
const KEPT: usize = 131_072;
const KEPT_FOR: i128 = 60 * super::NANOS;
