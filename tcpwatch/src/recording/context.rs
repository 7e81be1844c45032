//! What has to be told again for a segment to be understood alone.

use std::collections::BTreeMap;

use crate::event::{
    CoverageDeclared, Event, HostDescribed, Listener, ListenerChange, NamespaceDescribed, NetNs,
    Time,
};

/// The state of the host as the events so far have told it. Counters are not part of it: what was sent before the
/// segment would be held against it.
#[derive(Default)]
pub(super) struct Context {
    coverage: Option<CoverageDeclared>,
    namespaces: BTreeMap<NetNs, Told>,
}

/// What is known of one namespace.
#[derive(Default)]
struct Told {
    described: Option<NamespaceDescribed>,
    listeners: Vec<ListenerChange>,
}

impl Context {
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::CoverageDeclared(e) => self.coverage = Some(e.clone()),
            Event::NamespaceDescribed(e) => self.of(e.netns).described = Some(e.clone()),
            Event::NamespaceVanished(e) => _ = self.namespaces.remove(&e.netns),
            Event::ListenerFound(e) | Event::ListenerOpened(e) => self.of(e.netns).listens(e),
            Event::ListenerClosed(e) => self.of(e.netns).forget(&e.listener),
            _ => {}
        }
    }

    /// Does it change what has to be told again?
    pub(super) fn cares_for(event: &Event) -> bool {
        matches!(
            event,
            Event::CoverageDeclared(_)
                | Event::NamespaceDescribed(_)
                | Event::NamespaceVanished(_)
                | Event::ListenerFound(_)
                | Event::ListenerOpened(_)
                | Event::ListenerClosed(_)
        )
    }

    fn of(&mut self, netns: NetNs) -> &mut Told {
        self.namespaces.entry(netns).or_default()
    }

    /// The same as a run would tell that begins now: what was before is unseen, and nothing counts as new.
    pub(super) fn retold(&self, now: Time) -> Vec<Event> {
        let coverage = self.coverage.iter().cloned();
        let coverage =
            coverage.map(|e| Event::CoverageDeclared(CoverageDeclared { time: now, ..e }));
        let namespaces = self.namespaces.values().flat_map(|told| told.retold(now));
        coverage.chain(namespaces).collect()
    }
}

impl Told {
    fn listens(&mut self, change: &ListenerChange) {
        self.forget(&change.listener);
        self.listeners.push(ListenerChange { exit: None, ..change.clone() });
    }

    fn forget(&mut self, listener: &Listener) {
        self.listeners.retain(|known| !same(&known.listener, listener));
    }

    /// Listeners come before their namespace, as `listeners_complete` promises.
    fn retold(&self, now: Time) -> Vec<Event> {
        let listeners = self.listeners.iter().cloned();
        let listeners = listeners.map(|e| Event::ListenerFound(ListenerChange { time: now, ..e }));
        let described = self.described.iter().cloned().map(|e| {
            Event::NamespaceDescribed(NamespaceDescribed { time: now, appeared: false, ..e })
        });
        listeners.chain(described).collect()
    }
}

/// By inode where both tell it; sock_diag and the hooks share nothing else that is sure.
fn same(one: &Listener, other: &Listener) -> bool {
    match (one.inode, other.inode) {
        (Some(one), Some(other)) => one == other,
        _ => one.local == other.local && one.v6only == other.v6only,
    }
}

/// The host with its clocks carried on to `now`.
pub(super) fn carried_on(host: &HostDescribed, now: Time) -> HostDescribed {
    let passed = now.0.saturating_sub(host.time.0);
    HostDescribed { time: now, wall: host.wall.saturating_add(passed), ..host.clone() }
}
