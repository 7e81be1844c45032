//! What is remembered of events past: bounded, and forgotten by event time alone.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod accounts;
mod bounded;
mod conntrack;
mod contacts;
mod coverage;
mod flows;
mod handshakes;
mod invalid;
mod listeners;
mod namespaces;
mod overflows;
mod owners;
mod pressure;
mod reject_rules;
mod seen;

pub use accounts::{Account, Accounts};
pub use conntrack::ConntrackDeaths;
pub use contacts::Contacts;
pub use coverage::Coverage;
pub use flows::{Ending, Flows, Receiver};
pub use handshakes::Handshakes;
pub use invalid::{InvalidPackets, PASSAGE};
pub use listeners::{Closed, KnownListener, Listeners, takes};
pub use namespaces::{Holder, Namespaces};
pub use overflows::{Overflow, Overflows};
pub use owners::Owners;
pub use pressure::{ConntrackPressure, Pressure};
pub use reject_rules::RejectRules;
pub use seen::Seen;

use crate::event::{Event, NamespaceDescribed, NetNs};

/// Everything remembered.
#[derive(Default)]
pub struct Memory {
    pub accounts: Accounts,
    pub conntrack: ConntrackDeaths,
    pub contacts: Contacts,
    pub coverage: Coverage,
    pub flows: Flows,
    pub handshakes: Handshakes,
    pub invalid: InvalidPackets,
    pub listeners: Listeners,
    pub namespaces: Namespaces,
    pub overflows: Overflows,
    pub owners: Owners,
    pub pressure: ConntrackPressure,
    pub reject_rules: RejectRules,
}

impl Memory {
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::CoverageDeclared(e) => self.coverage.declare(e),
            Event::NamespaceDescribed(e) => self.meet_namespace(e),
            Event::NamespaceVanished(e) => self.namespaces.vanish(e),
            Event::CountersRead(e) => {
                self.accounts.counters(e);
                self.pressure.counters(e);
            }
            Event::RstSent(e) => {
                self.accounts.sent(e.netns);
                self.flows.replied(e);
                self.contacts.replied(e);
            }
            Event::ConnectionAborted(e) => {
                self.accounts.sent(e.netns);
                self.owners.learn(e.time, e.netns, e.owner.as_deref());
                self.flows.aborted(e);
            }
            Event::AcceptQueueOverflowed(e) => self.overflows.overflowed(e),
            Event::HandshakeAckRefused(e) => self.handshakes.refused(e),
            Event::ListenerFound(e) => {
                self.owners.learn(e.time, e.netns, e.owner.as_ref());
                self.listeners.found(e);
            }
            Event::ListenerOpened(e) => {
                self.owners.learn(e.time, e.netns, e.owner.as_ref());
                self.listeners.opened(e);
            }
            Event::ListenerClosed(e) => self.listeners.closed(e),
            Event::ConntrackDestroyed(e) => self.conntrack.died(e),
            Event::ConntrackInvalid(e) => self.invalid.found(e),
            Event::PacketRejected(e) => self.flows.rejected(e),
            Event::RejectRulesFound(e) => self.reject_rules.found(e),
            Event::OwnerFound(e) => self.owners.found(e),
            Event::EventsLost(e) => self.coverage.lost(e),
            Event::HostDescribed(e) => self.coverage.started(e.time),
            Event::RstReceived(e) => self.flows.accepted(e),
            Event::Tick { .. } => {}
        }
    }

    fn meet_namespace(&mut self, described: &NamespaceDescribed) {
        if described.appeared {
            self.accounts.appeared(described.netns);
        }
        self.namespaces.describe(described);
    }

    /// Forgets a namespace that vanished: its inode number may be given to another one.
    pub fn forget(&mut self, netns: NetNs) {
        let name = self.namespaces.get(netns).and_then(|described| described.name.clone());
        self.accounts.vanished(netns, name);
        self.namespaces.forget(netns);
        self.listeners.forget(netns);
        self.pressure.forget(netns);
        self.reject_rules.forget(netns);
    }
}
