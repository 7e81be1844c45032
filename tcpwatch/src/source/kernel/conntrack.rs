//! Which conntrack entries died while their connections were alive, as ctnetlink tells?
//!
//! The way for kernels where no hook can watch `nf_ct_destroy`. What to know about it:
//!
//! * **One socket in each namespace.** Multicast reaches the sockets of the entry's own namespace. The alternative, one
//!   socket with `NETLINK_LISTEN_ALL_NSID`, hears only namespaces that were given a number in ours: that would mean
//!   to write to the host, and the numbers would outlive us.
//! * **A socket keeps its namespace alive.** [`ConntrackWatch::follow`] closes it as soon as the inventory no longer
//!   sees the namespace, within a fraction of a second as a rule. Meanwhile its inode number cannot be
//!   reused either: nothing heard here is ever told of the wrong namespace.
//! * **Nothing is loaded for it.** Sockets are opened only where nf_conntrack is loaded already.
//! * **Older entries are silent.** With `net.netfilter.nf_conntrack_events = 2` (the default since 5.19) an entry made
//!   while nobody listened is never announced, not even its end (net/netfilter/nf_conntrack_ecache.c,
//!   `nf_ct_ecache_ext_add`); with 0 no entry is. Seen on 6.18. [`ConntrackWatch::blind`] says so.
//! * **Times are late**, by as long as a message waits to be read: the message itself carries none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{RecvFlags, SocketFlags, recv};
use rustix::time::Timespec;
use socket2::SockRef;

use super::ctnetlink::{self, Destroyed, Malformed};
use super::inventory::Inventory;
use super::netlink::{Messages, open};
use super::netns::Place;
use super::remover;
pub use super::remover::EndedLately;
use super::{clock, conntrack_filter, sysctl};
use crate::event::{ConntrackDestroyed, Event, EventsLost, Fact, LossStage, NetNs, Remover, Time};

/// Listens to conntrack in every namespace it is told of.
///
/// Readable ([`AsFd`]) when a message waits. Read it at once: then even the process behind a short `conntrack -F` is
/// still there to be looked up, and the times are good; only deaths that matter wake anyone, the rest is filtered in
/// the kernel. Or call [`Self::drain`] every 10 ms: with nothing to read it costs one system call, whatever the number
/// of namespaces.
pub struct ConntrackWatch {
    epoll: OwnedFd,
    sockets: BTreeMap<NetNs, Subscription>,
    failed: BTreeMap<NetNs, String>,
    /// Revision of the inventory.
    followed: Option<u64>,
    ready: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// No message was waiting anywhere.
    quiet_at: Time,
    last_remover: Option<(Removal, Remover)>,
    /// In order of time.
    unsettled: Vec<Unsettled>,
}

#[derive(Debug)]
struct Subscription {
    socket: OwnedFd,
    place: Place,
    since: Time,
    /// `nf_conntrack_events` is not 1 and there were entries already.
    blind: bool,
}

/// Deletions through one port about one time have one requester.
#[derive(Clone, Copy, Debug)]
struct Removal {
    netns: NetNs,
    portid: u32,
    time: Time,
}

/// Deaths whose remover was not found: it may be about to end, and then it will be known. They are held back, for less
/// than the slack of the timeline.
struct Unsettled {
    removal: Removal,
    deaths: Vec<ConntrackDestroyed>,
}

impl ConntrackWatch {
    /// Listens to nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            sockets: BTreeMap::new(),
            failed: BTreeMap::new(),
            followed: None,
            ready: Vec::with_capacity(READY),
            buffer: vec![0; BUFFER],
            quiet_at: clock::now(),
            last_remover: None,
            unsettled: Vec::new(),
        })
    }

    /// Listens in the namespaces that the inventory knows and in no others. Call it after each
    /// [`Inventory::poll_changes`]: the sooner, the shorter a dead namespace is kept. Without change it costs nothing.
    /// Whether there was one.
    pub fn follow(&mut self, inventory: &Inventory) -> bool {
        if self.followed == Some(inventory.revision()) || !sysctl::has_conntrack() {
            return false;
        }
        self.followed = Some(inventory.revision());
        let places: BTreeMap<_, _> = inventory.places().map(|place| (place.netns, place)).collect();
        self.sockets.retain(|netns, _| places.contains_key(netns));
        self.failed.retain(|netns, _| places.contains_key(netns));
        for place in places.into_values() {
            self.subscribe(place);
        }
        true
    }

    /// Namespaces whose entries cannot be listened to, each with the reason.
    pub fn failed(&self) -> impl Iterator<Item = (NetNs, &str)> {
        self.failed.iter().map(|(netns, reason)| (*netns, reason.as_str()))
    }

    /// Namespaces in which entries exist whose end will not be announced.
    pub fn blind(&self) -> impl Iterator<Item = NetNs> {
        self.sockets.iter().filter(|(_, socket)| socket.blind).map(|(netns, _)| *netns)
    }

    fn subscribe(&mut self, place: &Place) {
        if self.failed.contains_key(&place.netns) {
            return;
        }
        if let Some(known) = self.sockets.get_mut(&place.netns) {
            known.place.clone_from(place);
            return;
        }
        match Subscription::open(place).and_then(|new| self.listen_to(new)) {
            Ok(()) => log::debug!("listening to conntrack in {}", place.netns),
            Err(error) => drop(self.failed.insert(place.netns, error.to_string())),
        }
    }

    fn listen_to(&mut self, new: Subscription) -> io::Result<()> {
        let netns = new.place.netns;
        let data = EventData::new_u64(netns.0.into());
        epoll::add(&self.epoll, &new.socket, data, EventFlags::IN)?;
        self.sockets.insert(netns, new);
        Ok(())
    }

    /// Hands over what has come. Never blocks; what is left after a burst comes with the next call.
    pub fn drain(&mut self, ended: EndedLately<'_>, out: &mut Vec<Event>) {
        let start = clock::now();
        self.settle(PATIENCE, ended, out);
        let mut emptied = true;
        for netns in self.readable() {
            emptied &= self.drain_one(netns, ended, out);
        }
        if emptied {
            self.quiet_at = start;
        }
    }

    /// Hands over what has come and what was held back.
    pub fn finish(&mut self, ended: EndedLately<'_>, out: &mut Vec<Event>) {
        self.drain(ended, out);
        self.settle(Duration::ZERO, ended, out);
    }

    /// Sockets with something to read.
    fn readable(&mut self) -> Vec<NetNs> {
        self.ready.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&now));
        let netns = |event: &epoll::Event| u32::try_from(event.data.u64()).ok().map(NetNs);
        self.ready.iter().filter_map(netns).collect()
    }

    /// Whether all was read.
    fn drain_one(&mut self, netns: NetNs, ended: EndedLately<'_>, out: &mut Vec<Event>) -> bool {
        for _ in 0..BURST {
            match self.receive(netns) {
                Ok(len) => self.read(netns, len, ended, out),
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => out.push(self.overrun(netns)),
                Err(_) => return true,
            }
        }
        false
    }

    fn receive(&mut self, netns: NetNs) -> Result<usize, Errno> {
        let subscription = self.sockets.get(&netns).ok_or(Errno::AGAIN)?;
        let (_, len) = recv(&subscription.socket, &mut self.buffer[..], RecvFlags::DONTWAIT)?;
        Ok(len)
    }

    fn read(&mut self, netns: NetNs, len: usize, ended: EndedLately<'_>, out: &mut Vec<Event>) {
        let time = clock::now();
        let received = self.buffer.get(..len).unwrap_or_default();
        let parsed: Vec<_> = Messages(received).map(|m| ctnetlink::parse(&m)).collect();
        for message in parsed {
            match message {
                Ok(Some(died)) => {
                    self.tell(netns, died.portid, death(time, netns, died), ended, out);
                }
                Ok(None) => {}
                Err(Malformed) => out.push(lost(self.quiet_at, time, LossStage::Malformed)),
            }
        }
    }

    /// Adds who did it, at once or when it is known.
    fn tell(
        &mut self,
        netns: NetNs,
        portid: u32,
        death: ConntrackDestroyed,
        ended: EndedLately<'_>,
        out: &mut Vec<Event>,
    ) {
        if portid == 0 {
            out.push(Event::ConntrackDestroyed(death));
            return;
        }
        let removal = Removal { netns, portid, time: death.time };
        if let Some(unsettled) = self.unsettled.iter_mut().find(|u| u.removal.is_one_with(removal))
        {
            unsettled.deaths.push(death);
            return;
        }
        match self.remover(removal, ended) {
            Some(remover) => out.push(done_by(&remover, death)),
            None => self.unsettled.push(Unsettled { removal, deaths: vec![death] }),
        }
    }

    /// One look-up serves a whole flush. `None`: not known yet.
    fn remover(&mut self, removal: Removal, ended: EndedLately<'_>) -> Option<Remover> {
        let known = self.last_remover.as_ref().filter(|(last, _)| last.is_one_with(removal));
        let remover = match (known, self.sockets.get(&removal.netns)) {
            (Some((_, remover)), _) => remover.clone(),
            (None, socket) => remover::find(&socket?.place, removal.portid, removal.time, ended)?,
        };
        self.last_remover = Some((removal, remover.clone()));
        Some(remover)
    }

    /// Asks once more for removers that were not known; those asked for long enough remain unknown.
    fn settle(&mut self, patience: Duration, ended: EndedLately<'_>, out: &mut Vec<Event>) {
        let now = clock::now();
        for unsettled in std::mem::take(&mut self.unsettled) {
            let Removal { netns, portid, time } = unsettled.removal;
            let found = remover::among_the_dead(netns, portid, time, ended);
            if found.is_none() && now.since(time) < patience {
                self.unsettled.push(unsettled);
                continue;
            }
            let remover = found.unwrap_or(remover::GONE);
            out.extend(unsettled.deaths.into_iter().map(|death| done_by(&remover, death)));
            self.last_remover = Some((unsettled.removal, remover));
        }
    }

    /// The kernel says that it dropped messages, not how many: counted as one.
    fn overrun(&self, netns: NetNs) -> Event {
        let opened = self.sockets.get(&netns).map_or(self.quiet_at, |socket| socket.since);
        lost(self.quiet_at.max(opened), clock::now(), LossStage::Netlink)
    }
}

impl AsFd for ConntrackWatch {
    /// Readable while any message waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Subscription {
    fn open(place: &Place) -> io::Result<Self> {
        let (socket, blind) = place.enter(|| subscribe().map(|socket| (socket, is_blind())))??;
        Ok(Self { socket, place: place.clone(), since: clock::now(), blind })
    }
}

impl Removal {
    fn is_one_with(self, other: Self) -> bool {
        let who = (self.netns, self.portid) == (other.netns, other.portid);
        who && self.time.distance(other.time) < ONE_REMOVAL
    }
}

/// A socket of the calling thread's namespace. The filter and the big buffer are wishes: it works without.
fn subscribe() -> io::Result<OwnedFd> {
    let socket = open(Some(NETFILTER), CONNTRACK_DESTROY, SocketFlags::NONBLOCK)?;
    if let Err(error) = SockRef::from(&socket).attach_filter(&conntrack_filter::program()) {
        log::debug!("conntrack messages are not filtered in the kernel: {error}");
    }
    if let Err(error) = set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER) {
        log::debug!("conntrack messages get a small buffer: {error}");
    }
    Ok(socket)
}

fn is_blind() -> bool {
    let value = |name| fs::read_to_string(format!("/proc/sys/net/netfilter/{name}"));
    let is = |name, text: &str| value(name).is_ok_and(|value| value.trim() == text);
    let (always, none_yet) = (is("nf_conntrack_events", "1"), is("nf_conntrack_count", "0"));
    let never = is("nf_conntrack_events", "0");
    never || (!always && !none_yet)
}

/// Without its remover.
fn death(time: Time, netns: NetNs, died: Destroyed) -> ConntrackDestroyed {
    let Destroyed { entry, state, seen_reply, assured, death, portid: _ } = died;
    let (remover, evicted) = (None, false);
    ConntrackDestroyed { time, netns, entry, state, seen_reply, assured, death, remover, evicted }
}

fn done_by(remover: &Remover, mut death: ConntrackDestroyed) -> Event {
    death.remover = Some(remover.clone());
    Event::ConntrackDestroyed(death)
}

fn lost(since: Time, until: Time, stage: LossStage) -> Event {
    Event::EventsLost(EventsLost { since, until, fact: Fact::ConntrackDestroyed, count: 1, stage })
}

/// Bit of group 3, `NFNLGRP_CONNTRACK_DESTROY`.
const CONNTRACK_DESTROY: u32 = 1 << 2;
/// Bytes; the kernel doubles it. 16 MiB overran on a busy host when 100 000 entries were flushed (6.18).
/// Memory is taken only while messages wait.
const RECEIVE_BUFFER: usize = 32 * 1024 * 1024;
/// A DESTROY message has some 170 bytes; labels, marks and a secctx make it no longer than a few hundred.
const BUFFER: usize = 16 * 1024;
const READY: usize = 64;
/// Messages read from one socket before the others get their turn.
const BURST: usize = 16 * 1024;
const ONE_REMOVAL: Duration = Duration::from_millis(500);
/// A tool that has closed its socket ends soon after, if it gets a processor. Less than the slack of the timeline (20 ms):
/// what was held back must not come late.
const PATIENCE: Duration = Duration::from_millis(15);
