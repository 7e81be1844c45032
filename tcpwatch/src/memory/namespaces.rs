//! Which network namespaces are there, with which addresses and sysctls, and who held an address before?

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::event::{NamespaceDescribed, NamespaceVanished, NetNs, Time};

/// Namespaces by inode, and the holders of each address in the order they were met.
#[derive(Default)]
pub struct Namespaces {
    described: BTreeMap<NetNs, NamespaceDescribed>,
    first_seen: HashMap<NetNs, Time>,
    holders: HashMap<IpAddr, Vec<Holder>>,
}

/// A namespace that was seen to hold an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub netns: NetNs,
    /// When it was first seen to hold it.
    pub since: Time,
    /// It was seen without the address before, or is itself younger than this run: so the address came to it.
    pub newcomer: bool,
    /// When it was first seen without it again, or gone.
    pub until: Option<Time>,
}

impl Namespaces {
    pub fn describe(&mut self, described: &NamespaceDescribed) {
        let netns = described.netns;
        let known_before = self.described.contains_key(&netns);
        self.release(described.time, netns, &described.addresses);
        for addr in described.addresses.iter().filter(|addr| !addr.is_loopback()) {
            let holder = Holder {
                netns,
                since: described.time,
                newcomer: known_before || described.appeared,
                until: None,
            };
            self.hold(*addr, holder);
        }
        self.first_seen.entry(netns).or_insert(described.time);
        self.described.insert(netns, described.clone());
    }

    /// It holds no address any longer.
    pub fn vanish(&mut self, gone: &NamespaceVanished) {
        self.release(gone.time, gone.netns, &[]);
    }

    /// Its inode number may be given to another one; who held which address stays known.
    pub fn forget(&mut self, netns: NetNs) {
        self.described.remove(&netns);
        self.first_seen.remove(&netns);
    }

    pub fn get(&self, netns: NetNs) -> Option<&NamespaceDescribed> {
        self.described.get(&netns)
    }

    pub fn first_seen(&self, netns: NetNs) -> Option<Time> {
        self.first_seen.get(&netns).copied()
    }

    /// Has any namespace other than `but` appeared since `since`?
    pub fn has_newcomers(&self, since: Time, but: NetNs) -> bool {
        let mut others = self.described.values().filter(|described| described.netns != but);
        others.any(|described| {
            described.appeared && self.first_seen(described.netns).is_some_and(|seen| seen >= since)
        })
    }

    /// Who was seen to hold an address, in the order they were met.
    pub fn holders(&self, addr: IpAddr) -> &[Holder] {
        self.holders.get(&addr).map_or(&[], Vec::as_slice)
    }

    /// A sysctl of a namespace, as the kernel prints it.
    pub fn sysctl(&self, netns: NetNs, name: &str) -> Option<&str> {
        self.described.get(&netns)?.sysctls.get(name).map(String::as_str)
    }

    /// A sysctl that the kernel keeps once for the whole host, and shows in the first namespace only.
    pub fn sysctl_of_host(&self, name: &str) -> Option<&str> {
        self.described
            .values()
            .find_map(|described| described.sysctls.get(name))
            .map(String::as_str)
    }

    fn hold(&mut self, addr: IpAddr, holder: Holder) {
        if self.holders.len() >= ADDRESSES && !self.holders.contains_key(&addr) {
            self.holders.retain(|_, holders| holders.iter().any(|holder| holder.until.is_none()));
        }
        let holders = self.holders.entry(addr).or_default();
        if holders.iter().all(|known| known.netns != holder.netns || known.until.is_some()) {
            holders.push(holder);
        }
        if holders.len() > SUCCESSION {
            holders.remove(0);
        }
    }

    /// The namespace no longer holds any address but these.
    fn release(&mut self, time: Time, netns: NetNs, kept: &[IpAddr]) {
        let Some(told) = self.described.get(&netns) else { return };
        for addr in told.addresses.iter().filter(|addr| !kept.contains(addr)) {
            let holders = self.holders.get_mut(addr).into_iter().flatten();
            let held = holders.filter(|holder| holder.netns == netns && holder.until.is_none());
            held.for_each(|holder| holder.until = Some(time));
        }
    }
}

/// Holders remembered of one address: who had it before, not its history.
const SUCCESSION: usize = 8;

/// Addresses remembered: a node has hundreds of pods, not tens of thousands.
const ADDRESSES: usize = 65_536;
