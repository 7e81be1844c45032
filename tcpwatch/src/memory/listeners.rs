//! Who listened where, and when?

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::event::{Endpoint, Exit, Listener, ListenerChange, NetNs, Owner, Time};

/// Listeners that live and those that closed lately, by namespace and port.
#[derive(Default)]
pub struct Listeners {
    by_port: HashMap<(NetNs, u16), Vec<KnownListener>>,
    /// Of namespaces that are gone, whose inode numbers may be in use again: the oldest first.
    bygone: VecDeque<(NetNs, Listener)>,
    looked_through: Time,
}

/// One listener's life as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownListener {
    pub listener: Listener,
    /// When it was found or opened.
    pub since: Time,
    /// It was there before this run: `since` is only when we met it.
    pub found: bool,
    pub owner: Option<Owner>,
    pub closed: Option<Closed>,
}

/// The end of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub at: Time,
    pub by: Option<Owner>,
    pub exit: Option<Exit>,
    /// Connections in its accept queue.
    pub waiting: u32,
}

impl KnownListener {
    pub fn lives_at(&self, time: Time) -> bool {
        let born = self.found || self.since <= time;
        born && self.closed.as_ref().is_none_or(|closed| closed.at > time)
    }

    pub fn accepts(&self, dialled: Endpoint) -> bool {
        takes(&self.listener, dialled)
    }
}

/// Would a connection to this endpoint reach the listener, were it open? (net/ipv4/inet_hashtables.c,
/// `compute_score`; net/ipv6/inet6_hashtables.c: an IPv6 socket bound to any takes IPv4 unless it is v6only.)
pub fn takes(listener: &Listener, dialled: Endpoint) -> bool {
    let bound = listener.local;
    if bound.port != dialled.port {
        return false;
    }
    match (bound.addr, dialled.addr) {
        (IpAddr::V6(any), IpAddr::V4(_)) if any.is_unspecified() => !listener.v6only,
        (IpAddr::V6(mapped), IpAddr::V4(v4)) => mapped == v4.to_ipv6_mapped(),
        (IpAddr::V4(any), IpAddr::V4(_)) if any == Ipv4Addr::UNSPECIFIED => true,
        (IpAddr::V6(any), IpAddr::V6(_)) if any.is_unspecified() => true,
        (bound, dialled) => bound == dialled,
    }
}

impl Listeners {
    /// One that was there before us, unless a hook told of it already.
    pub fn found(&mut self, change: &ListenerChange) {
        match self.living(change) {
            Some(known) => known.owner = known.owner.take().or_else(|| change.owner.clone()),
            None => self.remember(change, true),
        }
    }

    /// A socket that listens anew is told twice when we missed its end.
    pub fn opened(&mut self, change: &ListenerChange) {
        if let Some(known) = self.living(change).filter(|known| known.listener.inode.is_some()) {
            known.closed = Some(Closed { at: change.time, by: None, exit: None, waiting: 0 });
        }
        self.remember(change, false);
    }

    pub fn closed(&mut self, change: &ListenerChange) {
        if self.living(change).is_none() {
            // Closed before anybody told us it was open.
            self.remember(change, true);
        }
        if let Some(known) = self.living(change) {
            known.closed = Some(known.ended_by(change));
        }
    }

    pub fn forget(&mut self, netns: NetNs) {
        for (_, known) in self.by_port.extract_if(|(of, _), _| *of == netns) {
            self.bygone.extend(known.into_iter().map(|known| (netns, known.listener)));
        }
        let excess = self.bygone.len().saturating_sub(BYGONE);
        self.bygone.drain(..excess);
    }

    /// Did this namespace ever have a listener that took connections to this endpoint?
    pub fn ever_took(&self, netns: NetNs, dialled: Endpoint) -> bool {
        self.on_port(netns, dialled.port).iter().any(|known| known.accepts(dialled))
    }

    /// Did a namespace of this number, gone by now?
    pub fn bygone_took(&self, netns: NetNs, dialled: Endpoint) -> bool {
        self.bygone.iter().any(|(of, listener)| *of == netns && takes(listener, dialled))
    }

    /// Everything known of a port, in the order it was met.
    pub fn on_port(&self, netns: NetNs, port: u16) -> &[KnownListener] {
        self.by_port.get(&(netns, port)).map_or(&[], Vec::as_slice)
    }

    fn remember(&mut self, change: &ListenerChange, found: bool) {
        self.forget_long_closed(change.time);
        let key = (change.netns, change.listener.local.port);
        let known = self.by_port.entry(key).or_default();
        forget_old(known, change.time);
        known.push(KnownListener {
            listener: change.listener.clone(),
            since: change.time,
            found,
            owner: change.owner.clone(),
            closed: None,
        });
    }

    /// Now and then all ports are looked through: those that never listen again must not be kept for ever.
    fn forget_long_closed(&mut self, now: Time) {
        if now.since(self.looked_through) < LOOK_BACK {
            return;
        }
        self.looked_through = now;
        self.by_port.retain(|_, known| {
            forget_old(known, now);
            !known.is_empty()
        });
    }

    /// The living listener a change speaks of: by inode where both know it, else by its address.
    fn living(&mut self, change: &ListenerChange) -> Option<&mut KnownListener> {
        let key = (change.netns, change.listener.local.port);
        self.by_port
            .get_mut(&key)?
            .iter_mut()
            .find(|known| known.closed.is_none() && known.is(&change.listener))
    }
}

impl KnownListener {
    /// Who ends is asked nothing any more: what was known of the process when it opened or held this very socket goes
    /// for its end too.
    fn ended_by(&self, change: &ListenerChange) -> Closed {
        let by = change.owner.clone().map(|by| match &self.owner {
            Some(owner) if owner.pid == by.pid => by.completed_by(owner),
            _ => by,
        });
        let by = by.map(|by| Owner { gone: by.gone || change.exit.is_some(), ..by });
        let waiting = change.listener.accept_queue.len;
        Closed { at: change.time, by, exit: change.exit, waiting }
    }

    fn is(&self, other: &Listener) -> bool {
        match (self.listener.inode, other.inode) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.listener.local == other.local && self.listener.v6only == other.v6only,
        }
    }
}

/// Old closed listeners go, first by age, then by number; the living stay.
fn forget_old(known: &mut Vec<KnownListener>, now: Time) {
    known.retain(|k| k.closed.as_ref().is_none_or(|closed| now.since(closed.at) < LOOK_BACK));
    while known.iter().filter(|k| k.closed.is_some()).count() > PER_PORT {
        if let Some(oldest) = known.iter().position(|k| k.closed.is_some()) {
            known.remove(oldest);
        }
    }
}

/// How long a closed listener is remembered: for refused connections, and for its successor's.
const LOOK_BACK: Duration = Duration::from_hours(1);

/// Listeners kept of namespaces that are gone.
const BYGONE: usize = 4_096;

/// Closed listeners kept per port.
const PER_PORT: usize = 32;
