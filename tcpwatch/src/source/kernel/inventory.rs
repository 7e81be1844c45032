//! What is on this host that events refer to: namespaces, their listeners, addresses and sysctls, and who owns what?
//!
//! The engine may consult nothing but events, so all of it becomes events here: all at start, then what appears,
//! changes and vanishes. Nothing read here keeps a namespace alive.
//!
//! A namespace that dies and another that takes over its inode number between two looks are told apart by their names;
//! two without names are not (but see [`super::conntrack`], whose sockets keep numbers from being reused).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::capabilities;
use super::names::Names;
use super::netns::{self, Place};
use super::pace::Pace;
use super::{addresses, clock, counters, procfs, ruleset, sock_diag, sysctl};
use crate::event::{
    CountersRead, Event, Listener, ListenerChange, NamespaceDescribed, NamespaceVanished, NetNs,
    Owner, OwnerFound, RejectRulesFound, Time,
};

/// The network namespaces of this host, and what was told of each.
#[derive(Debug)]
pub struct Inventory {
    known: BTreeMap<NetNs, Known>,
    /// When namespaces that events named were looked for in vain.
    missing: BTreeMap<NetNs, Time>,
    /// The start has been described: whatever comes now has appeared.
    started: bool,
    looks: Pace,
    scans: Pace,
    /// Scans because something has changed.
    reactions: Pace,
    scanned: u64,
    names: Names,
    /// No process keeps its files from us.
    sees_all: bool,
}

#[derive(Debug)]
struct Known {
    place: Place,
    /// As told last.
    told: NamespaceDescribed,
}

impl Inventory {
    /// Knows nothing yet. Where the host's files are elsewhere, `host_root` says where.
    pub fn new(host_root: Option<PathBuf>) -> Self {
        let sees_all = procfs::shows_all() && capabilities::see_all_files();
        Self {
            known: BTreeMap::new(),
            missing: BTreeMap::new(),
            started: false,
            looks: Pace::new(LOOK_FLOOR, 1000),
            scans: Pace::new(SCAN_FLOOR, 1000),
            reactions: Pace::new(LOOK_FLOOR, 20),
            scanned: 0,
            names: Names::new(host_root),
            sees_all,
        }
    }

    /// Describes all namespaces with their listeners. Call it once, after the hooks are attached: what happens
    /// meanwhile is then told twice rather than never.
    pub fn describe_all(&mut self, out: &mut Vec<Event>) {
        self.scan(out);
        self.started = true;
    }

    /// An event names this namespace: describes it if that was not done yet, as soon as its share of a core allows.
    /// Says nothing of one that cannot be found, and looks for it again only after a while. Whether it is known now.
    pub fn describe(&mut self, netns: NetNs, out: &mut Vec<Event>) -> bool {
        let due = self.reactions.is_due(clock::now());
        if due && !self.known.contains_key(&netns) && self.is_worth_a_search(netns) {
            self.scan(out);
            self.remember_if_missing(netns);
        }
        self.known.contains_key(&netns)
    }

    /// Describes a namespace again if its name, process, addresses or sysctls have changed since it was told. The
    /// caller decides when that matters: when a reset was seen there, at most once a second.
    pub fn refresh(&mut self, netns: NetNs, out: &mut Vec<Event>) {
        let Some(known) = self.known.get_mut(&netns) else { return };
        let Ok(details) = known.place.enter(Details::read) else { return };
        // It does not move to another pod.
        let (pids, pod) = (&known.place.pids, known.told.pod.clone());
        let few = || (pids.len() <= FEW).then_some(pids);
        let pod = pod.or_else(|| self.names.pod_of(few()?));
        let now = NamespaceDescribed { time: clock::now(), pod, ..known.describe(details) };
        if !is_same(&now, &known.told) {
            known.told = now.clone();
            out.push(Event::NamespaceDescribed(now));
        }
    }

    /// Tells of namespaces that have appeared and vanished. Call it as often as you like: it decides by what it
    /// cost the last time whether it is worth a look now. A look is at names and at one process for each
    /// namespace; at all processes every few seconds, or when something has changed. Looks and scans together take
    /// 0.2 % of a core at most; while namespaces come and go, 5 %.
    pub fn poll_changes(&mut self, out: &mut Vec<Event>) {
        let now = clock::now();
        if self.scans.is_due(now) || (self.has_changed(now) && self.reactions.is_due(now)) {
            self.scan(out);
        }
    }

    /// The kernel's counters of one namespace. `None`: it cannot be entered, or is gone.
    pub fn counters(&self, netns: NetNs) -> Option<CountersRead> {
        let place = &self.known.get(&netns)?.place;
        place.enter(|| counters::read(netns)).ok()?.ok()
    }

    /// The kernel's counters of all known namespaces: the baseline at start, the account at the end.
    pub fn all_counters(&self, out: &mut Vec<Event>) {
        let all = self.known.keys().filter_map(|&netns| self.counters(netns));
        out.extend(all.map(Event::CountersRead));
    }

    /// The firewall rules of one namespace that refuse with a RST. `None`: it cannot be entered, or is gone.
    pub fn reject_rules(&self, netns: NetNs, has_nftables: bool) -> Option<RejectRulesFound> {
        let place = &self.known.get(&netns)?.place;
        place.enter(|| ruleset::reject_rules(netns, has_nftables)).ok()
    }

    /// Looks up who holds these sockets, in one walk over all processes; tells of each, found or not.
    pub fn owners(&mut self, sockets: &[(NetNs, u64)], out: &mut Vec<Event>) {
        let holders = procfs::holders(&sockets.iter().map(|&(_, inode)| inode).collect());
        let (time, all_seen) = (clock::now(), self.sees_all);
        out.extend(sockets.iter().map(|&(netns, inode)| {
            let owner = holders.get(&inode).and_then(|pid| self.names.owner(*pid));
            Event::OwnerFound(OwnerFound { time, netns, inode, owner, all_seen })
        }));
    }

    /// Who a process is, by the number the hooks tell. `None`: it is gone, or here numbers are those of a container.
    pub fn process(&mut self, pid: u32) -> Option<Owner> {
        procfs::shows_all().then(|| self.names.owner(pid)).flatten()
    }

    /// Namespaces that held this address when they were told of last.
    pub fn holding(&self, addr: IpAddr) -> Vec<NetNs> {
        let holders = self.known.iter().filter(|(_, known)| known.told.addresses.contains(&addr));
        holders.map(|(netns, _)| *netns).collect()
    }

    /// Stays the same as long as [`Self::places`] does.
    pub(super) fn revision(&self) -> u64 {
        self.scanned
    }

    /// The known namespaces and the ways into them.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.known.values().map(|known| &known.place)
    }

    /// Looks at all processes and names, and tells of the difference.
    fn scan(&mut self, out: &mut Vec<Event>) {
        let start = clock::cpu_time();
        let found = netns::all();
        let (end, cost) = (clock::now(), clock::cpu_time().saturating_sub(start));
        self.scans.ran(end, cost);
        self.reactions.ran(end, cost);
        self.forget_vanished(&found, out);
        self.describe_new(found, out);
        self.scanned += 1;
    }

    fn forget_vanished(&mut self, found: &BTreeMap<NetNs, Place>, out: &mut Vec<Event>) {
        let time = clock::now();
        let is_here = |known: &Known| found.get(&known.place.netns).is_some_and(|f| known.is_at(f));
        for (netns, _) in self.known.extract_if(.., |_, known| !is_here(known)) {
            out.push(Event::NamespaceVanished(NamespaceVanished { time, netns }));
        }
    }

    fn describe_new(&mut self, found: BTreeMap<NetNs, Place>, out: &mut Vec<Event>) {
        let mut new = Vec::new();
        for (netns, place) in found {
            match self.known.get_mut(&netns) {
                Some(known) => known.place = place,
                None => new.extend(Reading::take(place)),
            }
        }
        let holders = procfs::holders(&new.iter().flat_map(Reading::inodes).collect());
        for reading in new {
            let known = reading.tell(self.started, &holders, &mut self.names, out);
            self.missing.remove(&known.place.netns);
            self.known.insert(known.place.netns, known);
        }
    }

    /// When it is time for a look: whether something has changed.
    fn has_changed(&mut self, now: Time) -> bool {
        if !self.looks.is_due(now) {
            return false;
        }
        let start = clock::cpu_time();
        let names = netns::named();
        let changed = !self.knows(&names) || !self.all_are_here(&names);
        self.looks.ran(clock::now(), clock::cpu_time().saturating_sub(start));
        changed
    }

    fn knows(&self, names: &BTreeMap<NetNs, Place>) -> bool {
        let known = |netns| self.known.get(netns).and_then(|known| known.place.name.as_ref());
        names.iter().all(|(netns, place)| known(netns) == place.name.as_ref())
    }

    /// A namespace with a name is there while the name is; others while one process is where it was.
    fn all_are_here(&self, names: &BTreeMap<NetNs, Place>) -> bool {
        self.known.iter().all(|(netns, known)| match known.place.name {
            Some(_) => names.contains_key(netns),
            None => known.place.is_there(),
        })
    }

    fn is_worth_a_search(&self, netns: NetNs) -> bool {
        let since = |looked: &Time| clock::now().since(*looked);
        self.missing.get(&netns).is_none_or(|looked| since(looked) >= SEARCH_AGAIN)
    }

    fn remember_if_missing(&mut self, netns: NetNs) {
        if self.known.contains_key(&netns) {
            return;
        }
        if self.missing.len() >= MOST_MISSING {
            self.missing.pop_first();
        }
        self.missing.insert(netns, clock::now());
    }
}

impl Known {
    /// Whether this may still be the same namespace: an inode number under another name is another namespace.
    fn is_at(&self, found: &Place) -> bool {
        match (&self.place.name, &found.name) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        }
    }

    /// As it is now. Listeners were told once and for all when it was first described.
    fn describe(&self, details: Details) -> NamespaceDescribed {
        NamespaceDescribed {
            appeared: self.told.appeared,
            listeners_complete: self.told.listeners_complete,
            ..details.describe(&self.place)
        }
    }
}

/// A pod that is described before its first process may be known by these later; more are not worth asking each time.
const FEW: usize = 16;

/// All the same but for the time.
fn is_same(now: &NamespaceDescribed, then: &NamespaceDescribed) -> bool {
    NamespaceDescribed { time: then.time, ..now.clone() } == *then
}

/// What is read inside a namespace each time it is described.
#[derive(Debug, Default)]
struct Details {
    addresses: Vec<IpAddr>,
    sysctls: crate::event::Sysctls,
}

impl Details {
    /// Of the calling thread's namespace.
    fn read() -> Self {
        let addresses = addresses::addresses().unwrap_or_else(|error| {
            log::warn!("cannot list the addresses of a network namespace: {error}");
            Vec::new()
        });
        Self { addresses, sysctls: sysctl::read() }
    }

    fn describe(self, place: &Place) -> NamespaceDescribed {
        NamespaceDescribed {
            time: clock::now(),
            netns: place.netns,
            name: place.name.clone(),
            pid: place.pid,
            command: place.pid.and_then(procfs::command),
            pod: None,
            appeared: false,
            listeners_complete: false,
            addresses: self.addresses,
            sysctls: self.sysctls,
        }
    }
}

/// What was read when a namespace was met.
#[derive(Debug)]
struct Reading {
    /// Before the listeners were listed: whatever happens to one later than this is later than having found it.
    began: Time,
    place: Place,
    listeners: Vec<Listener>,
    listeners_complete: bool,
    details: Details,
}

impl Reading {
    /// `None`: it vanished before it could be entered. One that may not be entered is still told of.
    fn take(place: Place) -> Option<Self> {
        let began = clock::now();
        let inside = place.enter(|| (sock_diag::listeners(), Details::read()));
        let (listeners, details) = match inside {
            Ok(inside) => inside,
            Err(_) if !place.is_there() => return None,
            Err(error) => {
                log::warn!(
                    "cannot enter {}: {error}; what is in it stays unknown (needs CAP_SYS_ADMIN)",
                    place.netns
                );
                (Err(error), Details::default())
            }
        };
        let listeners_complete = listeners.is_ok();
        let listeners = listeners.unwrap_or_default();
        Some(Self { began, place, listeners, listeners_complete, details })
    }

    fn inodes(&self) -> impl Iterator<Item = u64> {
        self.listeners.iter().filter_map(|listener| listener.inode)
    }

    /// The listeners first, then the namespace.
    fn tell(
        self,
        appeared: bool,
        holders: &BTreeMap<u64, u32>,
        names: &mut Names,
        out: &mut Vec<Event>,
    ) -> Known {
        let netns = self.place.netns;
        let holder = |listener: &Listener| holders.get(&listener.inode?).copied();
        out.extend(self.listeners.into_iter().map(|listener| {
            let owner = holder(&listener).and_then(|pid| names.owner(pid));
            let time = self.began;
            Event::ListenerFound(ListenerChange { time, netns, listener, owner, exit: None })
        }));
        let told = NamespaceDescribed {
            appeared,
            pod: names.pod_of(&self.place.pids),
            listeners_complete: self.listeners_complete,
            ..self.details.describe(&self.place)
        };
        out.push(Event::NamespaceDescribed(told.clone()));
        Known { place: self.place, told }
    }
}

/// How soon a new pod is met at best, and how long at best a dead one is kept by our sockets.
const LOOK_FLOOR: Duration = Duration::from_millis(100);
/// How soon a namespace without a name is met at best.
const SCAN_FLOOR: Duration = Duration::from_secs(2);
/// Events from a namespace that only sockets keep alive may come in numbers.
const SEARCH_AGAIN: Duration = Duration::from_secs(5);
const MOST_MISSING: usize = 1024;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process;

    use super::*;

    fn start() -> (Inventory, Vec<Event>) {
        let (mut inventory, mut out) = (Inventory::new(None), Vec::new());
        inventory.describe_all(&mut out);
        (inventory, out)
    }

    fn position(out: &[Event], is_it: impl Fn(&Event) -> bool) -> usize {
        out.iter().position(is_it).expect("among the events")
    }

    #[test]
    fn a_listener_is_told_with_its_owner_before_its_namespace() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, own) = (socket.local_addr().unwrap().port(), netns::own().unwrap());
        let (_, out) = start();
        let namespace =
            position(&out, |e| matches!(e, Event::NamespaceDescribed(n) if n.netns == own));
        let ours = |e: &Event| matches!(e, Event::ListenerFound(l) if l.netns == own && l.listener.local.port == port);
        let listener = position(&out, ours);
        assert!(listener < namespace);
        let Event::ListenerFound(found) = &out[listener] else { unreachable!() };
        assert_eq!(found.owner.as_ref().map(|owner| owner.pid), Some(process::id()));
        let Event::NamespaceDescribed(told) = &out[namespace] else { unreachable!() };
        assert!(told.listeners_complete && !told.appeared);
        assert!(told.sysctls.contains_key("net.core.somaxconn"));
    }

    #[test]
    fn what_has_not_changed_is_not_told_again() {
        let (mut inventory, _) = start();
        let mut out = Vec::new();
        inventory.refresh(netns::own().unwrap(), &mut out);
        assert_eq!(out, []);
        assert!(inventory.describe(netns::own().unwrap(), &mut out));
    }

    #[test]
    fn an_unknown_namespace_is_looked_for_once() {
        let (mut inventory, _) = start();
        inventory.reactions = Pace::new(LOOK_FLOOR, 20);
        let nowhere = NetNs(1);
        assert!(!inventory.describe(nowhere, &mut Vec::new()));
        assert!(!inventory.is_worth_a_search(nowhere));
        assert_eq!(inventory.counters(nowhere), None);
    }

    #[test]
    fn the_missing_are_bounded() {
        let mut inventory = Inventory::new(None);
        for netns in 0..5000 {
            inventory.remember_if_missing(NetNs(netns));
        }
        assert_eq!(inventory.missing.len(), MOST_MISSING);
    }

    #[test]
    fn another_name_is_another_namespace() {
        let place = netns::all().into_values().next().unwrap();
        let named = |name: &str| Place { name: Some(name.to_owned()), ..place.clone() };
        let told = Details::default().describe(&place);
        let known = Known { place: named("a"), told };
        assert!(known.is_at(&named("a")) && known.is_at(&place));
        assert!(!known.is_at(&named("b")));
    }

    #[test]
    fn an_inode_that_nobody_holds_is_told_too() {
        let mut out = Vec::new();
        Inventory::new(None).owners(&[(NetNs(1), u64::MAX)], &mut out);
        let [Event::OwnerFound(found)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((found.inode, &found.owner), (u64::MAX, &None));
    }
}
