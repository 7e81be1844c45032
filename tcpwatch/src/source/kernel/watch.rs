//! Everything this kernel has to tell, as one source: hooks, inventory, conntrack messages, counters, owners.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::conntrack::ConntrackWatch;
use super::inventory::Inventory;
use super::pace::Pace;
use super::{KernelSource, capabilities, clock, host};
use crate::event::{
    ConntrackDestroyed, ConntrackState, CoverageDeclared, Death, Event, Fact, HookCoverage, NetNs,
    Owner, RstSent, TcpState, Time, Way,
};
use crate::source::Live;

/// A kernel being watched.
pub struct Watch {
    hooks: KernelSource,
    inventory: Inventory,
    /// Only where no hook can see conntrack entries die.
    conntrack: Option<ConntrackWatch>,
    /// All descriptors that wake us.
    urgent: OwnedFd,
    /// What was declared last.
    declared: Vec<HookCoverage>,
    /// When a namespace was last looked at again because of a reset.
    refreshed: BTreeMap<NetNs, Time>,
    /// When the firewall rules of a namespace were last listed, and its conntrack counters last read.
    listed: BTreeMap<NetNs, Time>,
    counted: BTreeMap<NetNs, Time>,
    /// Listing rules costs as much as there are rules.
    listings: Pace,
    /// Sockets whose owners are to be looked up together.
    ownerless: BTreeSet<(NetNs, u64)>,
    owner_walks: Pace,
    /// Processes that events named are looked up at once, before they end.
    actor_looks: Pace,
    /// Namespaces that events named and that could not be described yet, with the time of the event.
    undescribed: BTreeMap<NetNs, Time>,
}

impl Watch {
    /// Attaches the hooks. They speak from now on; what they say is read by [`Live::drain`].
    pub fn open(options: &super::Options) -> anyhow::Result<Self> {
        if let Some(root) = options.host_root.as_deref().filter(|root| !root.is_dir()) {
            anyhow::bail!(
                "{} is no directory. Mount the host's / there, or leave out --host-root",
                root.display()
            );
        }
        let (hooks, _) = KernelSource::open(options, clock::now())?;
        for problem in hooks.problems() {
            log::warn!("this kernel is laid out in a way we do not know: {problem}");
        }
        for capability in capabilities::missing() {
            log::warn!("{} is missing. {}", capability.name(), capability.purpose());
        }
        let urgent = epoll::create(CreateFlags::CLOEXEC)?;
        hooks.filling().into_iter().try_for_each(|ring| wakes(&urgent, ring))?;
        let mut watch = Self {
            hooks,
            inventory: Inventory::new(options.host_root.clone()),
            conntrack: None,
            urgent,
            declared: Vec::new(),
            refreshed: BTreeMap::new(),
            listed: BTreeMap::new(),
            counted: BTreeMap::new(),
            listings: Pace::new(Duration::ZERO, LISTINGS_REST),
            ownerless: BTreeSet::new(),
            owner_walks: Pace::new(OWNERS, OWNERS_REST),
            actor_looks: Pace::new(Duration::ZERO, ACTORS_REST),
            undescribed: BTreeMap::new(),
        };
        watch.listen_if_needed()?;
        Ok(watch)
    }

    /// Where no hook can see conntrack entries die, messages tell. That shows once the module is there.
    fn listen_if_needed(&mut self) -> io::Result<()> {
        if self.conntrack.is_some() || !self.hooks.needs_conntrack_messages() {
            return Ok(());
        }
        let messages = ConntrackWatch::new()?;
        wakes(&self.urgent, messages.as_fd())?;
        if let Some(why) = self.hooks.remember_ended() {
            log::info!("{why}");
        }
        self.conntrack = Some(messages);
        Ok(())
    }

    /// Says what can be seen, when that has changed.
    fn declare(&mut self, time: Time, out: &mut Vec<Event>) {
        let hooks: Vec<_> = self
            .hooks
            .coverage(time)
            .hooks
            .into_iter()
            .map(|row| self.with_messages(row))
            .collect();
        if hooks != self.declared {
            self.declared.clone_from(&hooks);
            out.push(Event::CoverageDeclared(CoverageDeclared { time, hooks }));
        }
    }

    /// Where no hook sees conntrack entries die, the row tells of the messages instead.
    fn with_messages(&self, row: HookCoverage) -> HookCoverage {
        match &self.conntrack {
            Some(messages) if row.fact == Fact::ConntrackDestroyed => HookCoverage {
                hook: "ctnetlink, group NFNLGRP_CONNTRACK_DESTROY".into(),
                way: Some(Way::Netlink),
                blind: blind_spots(messages),
                idle: false,
                ..row
            },
            _ => row,
        }
    }

    /// What the events of this round ask for.
    fn look_into(&mut self, from: usize, out: &mut Vec<Event>) {
        let leads = Leads::of(&out[from..]);
        self.ownerless.extend(leads.ownerless);
        if leads.received {
            // Code that rejects may have been loaded a moment ago, and have sent it.
            self.follow_modules(out);
        }
        self.describe(&leads.namespaces, out);
        // Rules change and tables empty: these first.
        leads.rejecting.into_iter().for_each(|netns| self.list_rules(netns, out));
        leads.pressed.into_iter().for_each(|netns| self.count_again(netns, out));
        for (netns, addr) in leads.strays {
            self.look_again(netns, addr, out);
        }
        self.seek_owners(out);
    }

    /// Completes what the hooks tell of processes that are still there.
    fn describe_actors(&mut self, events: &mut [Event]) {
        if !self.actor_looks.is_due(clock::now()) || !events.iter_mut().any(|e| actor(e).is_some())
        {
            return;
        }
        let start = clock::cpu_time();
        let mut seen = BTreeMap::new();
        for (time, actor) in events.iter_mut().filter_map(actor) {
            let known = seen.len() < ACTORS || seen.contains_key(&actor.pid());
            if known {
                let owner =
                    seen.entry(actor.pid()).or_insert_with_key(|pid| self.inventory.process(*pid));
                actor.complete(time, owner.as_ref());
            }
        }
        self.actor_looks.ran(clock::now(), clock::cpu_time().saturating_sub(start));
    }

    /// A namespace is described when its share of a core allows; until then it is asked for again, for a while.
    fn describe(&mut self, namespaces: &BTreeSet<NetNs>, out: &mut Vec<Event>) {
        let now = clock::now();
        self.undescribed.extend(namespaces.iter().map(|netns| (*netns, now)));
        let inventory = &mut self.inventory;
        self.undescribed
            .retain(|netns, since| now.since(*since) < INSIST && !inventory.describe(*netns, out));
    }

    /// A reset may come from a change nobody announced: an address that moved, a sysctl that was set.
    fn look_again(&mut self, netns: NetNs, addr: IpAddr, out: &mut Vec<Event>) {
        let now = clock::now();
        if is_recent(&self.refreshed, netns, now, REFRESH) {
            return;
        }
        self.refreshed.insert(netns, now);
        for holder in
            self.inventory.holding(addr).into_iter().chain([netns]).collect::<BTreeSet<_>>()
        {
            self.inventory.refresh(holder, out);
        }
    }

    /// Which rules a rejection can have come from, as long as they are still the same.
    fn list_rules(&mut self, netns: NetNs, out: &mut Vec<Event>) {
        let now = clock::now();
        if is_recent(&self.listed, netns, now, LIST) || !self.listings.is_due(now) {
            return;
        }
        let start = clock::cpu_time();
        if let Some(rules) = self.inventory.reject_rules(netns, self.hooks.has_nftables()) {
            out.push(Event::RejectRulesFound(rules));
            self.listed.insert(netns, now);
        }
        self.listings.ran(clock::now(), clock::cpu_time().saturating_sub(start));
    }

    /// How full the table is from which the kernel took an entry by itself.
    fn count_again(&mut self, netns: NetNs, out: &mut Vec<Event>) {
        let now = clock::now();
        if is_recent(&self.counted, netns, now, COUNT) {
            return;
        }
        out.extend(self.inventory.counters(netns).map(Event::CountersRead));
        self.counted.insert(netns, now);
    }

    /// Attaches to what was loaded since, and says so.
    fn follow_modules(&mut self, out: &mut Vec<Event>) {
        if self.hooks.attach_missing() {
            self.declare(clock::now(), out);
        }
    }

    /// One walk over all processes serves many sockets; a storm of resets gets few walks.
    fn seek_owners(&mut self, out: &mut Vec<Event>) {
        if self.ownerless.is_empty() || !self.owner_walks.is_due(clock::now()) {
            return;
        }
        let start = clock::cpu_time();
        let sockets: Vec<_> =
            std::mem::take(&mut self.ownerless).into_iter().take(OWNERLESS).collect();
        self.inventory.owners(&sockets, out);
        self.owner_walks.ran(clock::now(), clock::cpu_time().saturating_sub(start));
    }
}

/// What events ask to be looked into.
#[derive(Default)]
struct Leads {
    /// To be described.
    namespaces: BTreeSet<NetNs>,
    /// Namespaces that may have changed, and addresses that may have moved.
    strays: Vec<(NetNs, IpAddr)>,
    /// Namespaces with a rule that rejects.
    rejecting: BTreeSet<NetNs>,
    /// Namespaces whose conntrack table may be full.
    pressed: BTreeSet<NetNs>,
    /// Sockets.
    ownerless: Vec<(NetNs, u64)>,
    /// A reset came in.
    received: bool,
}

impl Leads {
    fn of(events: &[Event]) -> Self {
        let mut leads = Self::default();
        for event in events {
            leads.note(event);
        }
        leads
    }

    fn note(&mut self, event: &Event) {
        self.namespaces.extend(namespace_of(event));
        match event {
            Event::RstSent(rst) if may_be_astray(rst) => {
                self.strays.push((rst.netns, rst.flow.local.addr));
            }
            Event::RstSent(rst) => self.strays.extend(of_listener(rst)),
            // Who closes a socket is told with the reset; who loses one in use is not.
            Event::ConnectionAborted(rst) if rst.socket.state != TcpState::Close => {
                self.ownerless.extend(rst.socket.inode.map(|inode| (rst.netns, inode)));
            }
            Event::RstReceived(rst) => {
                self.received = true;
                self.ownerless.extend(rst.socket.inode.map(|inode| (rst.netns, inode)));
            }
            Event::PacketRejected(rst) => drop(self.rejecting.insert(rst.netns)),
            Event::ConntrackDestroyed(death) if may_want_room(death) => {
                self.pressed.insert(death.netns);
            }
            _ => {}
        }
    }
}

impl Live for Watch {
    /// The hooks speak already: what happens while the host is described is told twice rather than never. The
    /// counters come last, and what came before them is not held against them.
    fn start(&mut self, out: &mut Vec<Event>) -> anyhow::Result<()> {
        out.push(Event::HostDescribed(host::describe()));
        self.declare(clock::now(), out);
        self.inventory.describe_all(out);
        self.follow_namespaces(out);
        self.inventory.all_counters(out);
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        self.hooks.drain(clock::now(), |event| out.push(event));
        if let Some(messages) = &mut self.conntrack {
            messages.drain(&|netns, number| self.hooks.ended().find(netns, number), out);
        }
        self.describe_actors(&mut out[from..]);
        self.look_into(from, out);
        self.inventory.poll_changes(out);
        self.follow_namespaces(out);
    }

    fn slow(&mut self, out: &mut Vec<Event>) {
        self.hooks.attach_missing();
        self.hooks.tell_nested(clock::now(), out);
        if let Err(error) = self.listen_if_needed() {
            log::warn!("conntrack messages cannot be heard: {error}");
        }
        self.declare(clock::now(), out);
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        self.inventory.all_counters(out);
        self.hooks.drain(clock::now(), |event| out.push(event));
        self.hooks.tell_nested(clock::now(), out);
        if let Some(messages) = &mut self.conntrack {
            messages.finish(&|netns, number| self.hooks.ended().find(netns, number), out);
        }
    }

    /// A ring that fills, and messages of conntrack: who asked for a removal is gone within milliseconds.
    fn urgent(&self) -> Option<OwnedFd> {
        self.urgent.try_clone().ok()
    }

    fn now(&self) -> Time {
        clock::now()
    }
}

impl Watch {
    /// Listens where there is something to be heard, and says what is not.
    fn follow_namespaces(&mut self, out: &mut Vec<Event>) {
        let Some(messages) = &mut self.conntrack else { return };
        if messages.follow(&self.inventory) {
            self.declare(clock::now(), out);
        }
    }
}

/// A process that an event names, and that was not ending then.
enum Actor<'a> {
    /// Opened or closed a listener.
    OfListener(&'a mut Owner),
    /// Closed a connection, with a reset.
    OfReset(u32, &'a mut Option<Box<Owner>>),
}

fn actor(event: &mut Event) -> Option<(Time, Actor<'_>)> {
    match event {
        Event::ListenerOpened(change) | Event::ListenerClosed(change) if change.exit.is_none() => {
            Some((change.time, Actor::OfListener(change.owner.as_mut()?)))
        }
        Event::ConnectionAborted(rst) => {
            let pid = rst.doer().filter(|doer| doer.exit.is_none())?.pid;
            Some((rst.time, Actor::OfReset(pid, &mut rst.owner)))
        }
        _ => None,
    }
}

impl Actor<'_> {
    fn pid(&self) -> u32 {
        match self {
            Self::OfListener(owner) => owner.pid,
            Self::OfReset(pid, _) => *pid,
        }
    }

    /// Whoever has the pid now is the one that was meant if it was there already.
    fn complete(self, time: Time, found: Option<&Owner>) {
        let Some(found) =
            found.filter(|found| found.started.is_some_and(|started| started <= time))
        else {
            return;
        };
        match self {
            Self::OfListener(owner) => *owner = owner.clone().completed_by(found),
            Self::OfReset(_, owner) => *owner = Some(Box::new(found.clone())),
        }
    }
}

/// From now on `all` wakes whoever polls it when `one` does.
fn wakes(all: &OwnedFd, one: BorrowedFd<'_>) -> io::Result<()> {
    Ok(epoll::add(all, one, EventData::new_u64(0), EventFlags::IN)?)
}

/// What conntrack messages do not tell, as a sentence; empty when they tell all.
fn blind_spots(messages: &ConntrackWatch) -> String {
    let blind: Vec<_> = messages.blind().map(|netns| netns.to_string()).collect();
    let failed: Vec<_> =
        messages.failed().map(|(netns, reason)| format!("{netns}: {reason}")).collect();
    let mut sentences = Vec::new();
    if !blind.is_empty() {
        sentences.push(format!(
            "entries made before this run are not announced in {}",
            blind.join(", ")
        ));
    }
    if !failed.is_empty() {
        sentences.push(format!("not heard in {}", failed.join(", ")));
    }
    sentences.join("; ")
}

fn is_recent(done: &BTreeMap<NetNs, Time>, netns: NetNs, now: Time, span: Duration) -> bool {
    done.get(&netns).is_some_and(|last| now.since(*last) < span)
}

/// The kernel removed the entry by itself and with time left, which it does where the table is full: it takes entries
/// that are unassured or closing (net/netfilter/nf_conntrack_core.c).
fn may_want_room(death: &ConntrackDestroyed) -> bool {
    let closing = matches!(death.state, Some(ConntrackState::FinWait | ConntrackState::CloseWait));
    let removed = matches!(death.death, Some(Death::Removed { .. }));
    removed && death.remover.is_none() && (closing || !death.assured)
}

/// The segment belonged to a connection that nobody here knows.
fn may_be_astray(rst: &RstSent) -> bool {
    rst.socket.is_none() && !rst.segment.flags.syn()
}

fn of_listener(rst: &RstSent) -> Option<(NetNs, IpAddr)> {
    let listens = rst.socket.is_some_and(|socket| socket.state == TcpState::Listen);
    listens.then_some((rst.netns, rst.flow.local.addr))
}

/// The namespace in which a hook saw something.
fn namespace_of(event: &Event) -> Option<NetNs> {
    match event {
        Event::RstSent(e) => Some(e.netns),
        Event::ConnectionAborted(e) => Some(e.netns),
        Event::RstReceived(e) => Some(e.netns),
        Event::AcceptQueueOverflowed(e) => Some(e.netns),
        Event::HandshakeAckRefused(e) => Some(e.netns),
        Event::ListenerOpened(e) | Event::ListenerClosed(e) => Some(e.netns),
        Event::ConntrackDestroyed(e) => Some(e.netns),
        Event::PacketRejected(e) => Some(e.netns),
        Event::ConntrackInvalid(e) => Some(e.netns),
        _ => None,
    }
}

/// A namespace is looked at again this often at most, however many resets it sends.
const REFRESH: Duration = Duration::from_millis(500);

/// Rules are listed and counters read this often at most in one namespace: verdicts wait 200 ms for them.
const LIST: Duration = Duration::from_millis(500);
const COUNT: Duration = Duration::from_millis(100);

/// All listings together take a hundredth of a core.
const LISTINGS_REST: u32 = 100;

/// Owners are looked up this often at most, and for at most a hundredth of a core: a walk over all processes takes
/// milliseconds, on a large host many.
const OWNERS: Duration = Duration::from_millis(50);
const OWNERS_REST: u32 = 100;

/// Processes looked up after one drain, and for at most a hundredth of a core: each takes some 50 µs.
const ACTORS: usize = 64;
const ACTORS_REST: u32 = 100;

/// Sockets whose owners one walk looks for.
const OWNERLESS: usize = 1_024;

/// How long a namespace that cannot be described is asked for.
const INSIST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FilterHook;
    use crate::explain::story::{Story, expired, removed};

    const CLIENT: &str = "10.0.0.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    const BACKEND: &str = "10.0.0.2:80";

    fn leads(story: Story) -> Leads {
        Leads::of(&story.events())
    }

    #[test]
    fn a_rejection_asks_for_the_rules_of_its_namespace() {
        let leads = leads(Story::new().within(3).rejects_syn(FilterHook::Input, SERVICE, CLIENT));
        assert_eq!(leads.rejecting, BTreeSet::from([NetNs(3)]));
        assert!(leads.namespaces.contains(&NetNs(3)) && !leads.received);
    }

    #[test]
    fn an_entry_that_the_kernel_took_by_itself_asks_for_the_counters() {
        let pressed = |death, state, assured| {
            let story = Story::new();
            leads(story.loses_unassured_entry(CLIENT, SERVICE, BACKEND, death, state, assured))
                .pressed
        };
        let here = BTreeSet::from([NetNs(9)]);
        assert_eq!(pressed(removed(9), ConntrackState::SynRecv, false), here);
        assert_eq!(pressed(removed(9), ConntrackState::CloseWait, true), here);
        assert!(pressed(removed(9), ConntrackState::Established, true).is_empty());
        assert!(pressed(expired(), ConntrackState::SynRecv, false).is_empty());
    }

    #[test]
    fn a_reset_that_came_in_asks_for_code_that_was_loaded() {
        assert!(leads(Story::new().refused(CLIENT, SERVICE)).received);
    }
}
