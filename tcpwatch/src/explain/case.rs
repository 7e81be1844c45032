//! Everything known about one reset, as the causes may ask for it. A view: nothing here changes anything.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

use super::mechanism::{Handshake, Mechanism};
use super::translation::LostTranslation;
use crate::event::{
    AcceptQueue, ConnectionAborted, ConntrackDestroyed, ConntrackInvalid, Endpoint, Fact, Flow,
    HandshakeAckRefused, NamespaceDescribed, NetNs, Owner, PacketRejected, RejectRulesFound,
    RstReceived, RstSent, Time, Tuple, Way,
};
use crate::memory::{Memory, PASSAGE};

pub use crate::memory::{
    Closed, Ending, Holder, KnownListener, Overflow, Pressure, Receiver, Seen,
};

/// One reset this host sent, or took from elsewhere, with the memory as it was when the case was closed.
pub struct Case<'a> {
    symptom: Symptom<'a>,
    memory: &'a Memory,
    /// Every cause asks for these two: worked out once.
    mechanism: OnceCell<Mechanism>,
    translation: OnceCell<Option<LostTranslation<'a>>>,
}

/// The event that opened the case.
#[derive(Clone, Copy)]
pub enum Symptom<'a> {
    Reply(&'a RstSent),
    Abort(&'a ConnectionAborted),
    Rejection(&'a PacketRejected),
    Received(&'a RstReceived),
}

impl<'a> Case<'a> {
    pub fn new(symptom: Symptom<'a>, memory: &'a Memory) -> Self {
        Self { symptom, memory, mechanism: OnceCell::new(), translation: OnceCell::new() }
    }

    pub fn mechanism(&self) -> Mechanism {
        *self.mechanism.get_or_init(|| match self.symptom {
            Symptom::Reply(rst) => Mechanism::of_reply(rst, self.handshake()),
            Symptom::Abort(rst) => Mechanism::of_abort(rst),
            Symptom::Rejection(_) => Mechanism::Rejected,
            Symptom::Received(_) => Mechanism::FromPeer,
        })
    }

    fn handshake(&self) -> Handshake {
        if self.overflow_of_packet().yes().is_some() {
            Handshake::Overflowed
        } else if self.ack_refused().yes().is_some() {
            Handshake::AckRefused
        } else {
            Handshake::Untouched
        }
    }

    /// The reset, when it answered a segment.
    pub fn reply(&self) -> Option<&'a RstSent> {
        match self.symptom {
            Symptom::Reply(rst) => Some(rst),
            Symptom::Abort(_) | Symptom::Received(_) | Symptom::Rejection(_) => None,
        }
    }

    /// The refused packet, when a firewall rule sent the reset.
    pub fn rejection(&self) -> Option<&'a PacketRejected> {
        match self.symptom {
            Symptom::Rejection(rst) => Some(rst),
            Symptom::Reply(_) | Symptom::Abort(_) | Symptom::Received(_) => None,
        }
    }

    /// The reset, when it came from elsewhere.
    pub fn received(&self) -> Option<&'a RstReceived> {
        match self.symptom {
            Symptom::Received(rst) => Some(rst),
            Symptom::Reply(_) | Symptom::Abort(_) | Symptom::Rejection(_) => None,
        }
    }

    /// The reset, when this host gave the connection up of its own accord.
    pub fn abort(&self) -> Option<&'a ConnectionAborted> {
        match self.symptom {
            Symptom::Abort(rst) => Some(rst),
            Symptom::Reply(_) | Symptom::Received(_) | Symptom::Rejection(_) => None,
        }
    }

    pub fn time(&self) -> Time {
        match self.symptom {
            Symptom::Reply(rst) => rst.time,
            Symptom::Abort(rst) => rst.time,
            Symptom::Rejection(rst) => rst.time,
            Symptom::Received(rst) => rst.time,
        }
    }

    pub fn netns(&self) -> NetNs {
        match self.symptom {
            Symptom::Reply(rst) => rst.netns,
            Symptom::Abort(rst) => rst.netns,
            Symptom::Rejection(rst) => rst.netns,
            Symptom::Received(rst) => rst.netns,
        }
    }

    pub fn flow(&self) -> Flow {
        match self.symptom {
            Symptom::Reply(rst) => rst.flow,
            Symptom::Abort(rst) => rst.flow,
            Symptom::Rejection(rst) => rst.flow,
            Symptom::Received(rst) => rst.flow,
        }
    }

    /// The accept queue at the moment of the reset, when the segment met a listener.
    pub fn queue(&self) -> Option<AcceptQueue> {
        self.reply()?.socket?.accept_queue
    }

    /// The very packet that was answered found the accept queue full.
    pub fn overflow_of_packet(&self) -> Seen<&'a Overflow> {
        let found = self.reply().and_then(|rst| {
            let overflow =
                self.memory.overflows.of(rst.netns, rst.flow, rst.time.plus(SAME_PACKET))?;
            let same =
                overflow.packet == rst.packet && overflow.last.distance(rst.time) <= SAME_PACKET;
            same.then_some(overflow)
        });
        Seen::or_absent(found, self.saw(Fact::AcceptQueueOverflowed, SAME_PACKET))
    }

    /// The handshake of this connection lost its last ACK to a full accept queue.
    pub fn overflow_of_connection(&self) -> Seen<&'a Overflow> {
        let overflow = self.memory.overflows.of(self.netns(), self.flow(), self.time());
        let recent = overflow.filter(|overflow| self.time().since(overflow.last) <= HANDSHAKE);
        Seen::or_absent(recent, self.saw(Fact::AcceptQueueOverflowed, HANDSHAKE))
    }

    /// The listener that a connection to the local endpoint reached at that time.
    pub fn listener(&self) -> Seen<&'a KnownListener> {
        let (here, time) = (self.flow().local, self.time());
        if let Some(met) = self.listener_met() {
            return Seen::Yes(met);
        }
        let living =
            self.on_port().iter().filter(|known| known.lives_at(time) && known.accepts(here));
        // A listener bound to the address itself takes precedence over one bound to any.
        let found =
            living.max_by_key(|known| (known.listener.local.addr == here.addr, known.since));
        Seen::or_absent(found, self.knows_listeners())
    }

    /// Did a listener that lives, or closed lately, take connections to the local endpoint? `None`: not known.
    pub fn listens(&self) -> Option<bool> {
        // A rule speaks in the name of an address that may be anywhere.
        let here = self.rejection().is_none();
        let took = self.memory.listeners.ever_took(self.netns(), self.flow().local);
        (here && (took || self.knows_listeners())).then_some(took)
    }

    /// Listeners on the port that do not take connections to the local endpoint.
    pub fn listeners_elsewhere(&self) -> impl Iterator<Item = &'a KnownListener> {
        let (here, time) = (self.flow().local, self.time());
        self.on_port().iter().filter(move |known| known.lives_at(time) && !known.accepts(here))
    }

    /// The very listener the segment met: where several share a port, only the socket tells which.
    fn listener_met(&self) -> Option<&'a KnownListener> {
        let inode = self.reply()?.socket?.inode?;
        self.on_port().iter().rfind(|known| known.listener.inode == Some(inode))
    }

    /// The listener that took connections to the local endpoint last, if it closed shortly before the reset.
    pub fn closed_listener(&self) -> Seen<&'a KnownListener> {
        let (here, time) = (self.flow().local, self.time());
        let lately = |at: Time| at <= time && time.since(at) <= CLOSED_LATELY;
        let closed = self.on_port().iter().filter(|known| known.accepts(here));
        let closed =
            closed.filter(|known| known.closed.as_ref().is_some_and(|closed| lately(closed.at)));
        let latest = closed.max_by_key(|known| known.closed.as_ref().map(|closed| closed.at));
        Seen::or_absent(latest, self.knows_listeners())
    }

    /// The listener in whose queue this connection waited, and its end: the last to close before the reset, and just
    /// now, for its queue is emptied at once (net/ipv4/inet_connection_sock.c, `inet_csk_listen_stop`).
    pub fn emptied_listener(&self) -> Seen<(&'a KnownListener, &'a Closed)> {
        let end = |known: &'a KnownListener| Some((known, known.closed.as_ref()?));
        match self.closed_listener().map(end) {
            Seen::Yes(Some((known, closed))) if self.time().since(closed.at) <= EMPTIED => {
                Seen::Yes((known, closed))
            }
            Seen::Yes(_) | Seen::No => Seen::No,
            Seen::Blind => Seen::Blind,
        }
    }

    /// When the listener before `new` closed, if none took connections to the local endpoint between the two.
    pub fn predecessor(&self, new: &KnownListener) -> Option<Time> {
        let here = self.flow().local;
        let others = self.on_port().iter().filter(|known| known.accepts(here) && *known != new);
        let mut last = None;
        for known in others.filter(|known| known.found || known.since < new.since) {
            let closed = known.closed.as_ref().map(|closed| closed.at)?;
            last = last.max(Some(closed));
        }
        last.filter(|closed| *closed <= new.since && self.time().since(new.since) <= IDLE)
    }

    /// This host itself aborted the connection before.
    pub fn aborted_before(&self) -> Seen<&'a ConnectionAborted> {
        let found = self.memory.flows.aborted_before(self.netns(), self.flow(), self.time());
        Seen::or_absent(found, self.saw(Fact::ConnectionAborted, HANDSHAKE))
    }

    /// This host had told the peer before, by a RST in answer to a segment, that the connection was over.
    pub fn ended_before(&self) -> Option<Ending> {
        self.memory.flows.ended_before(self.netns(), self.flow(), self.time())
    }

    /// The very packet that was answered did not fit the handshake it belonged to.
    pub fn ack_refused(&self) -> Seen<&'a HandshakeAckRefused> {
        let found = self.reply().and_then(|rst| self.memory.handshakes.refused_packet(rst));
        Seen::or_absent(found, self.saw(Fact::HandshakeAckRefused, SAME_PACKET))
    }

    /// Who on this host took the reset.
    pub fn receiver(&self) -> Option<&'a Receiver> {
        self.memory.flows.receiver_of(self.reply()?)
    }

    /// The taking of this reset, had it been on this host and seen, was not lost on the way.
    pub fn would_know_receiver(&self) -> bool {
        self.memory.coverage.is_intact(Fact::RstReceived, self.time().minus(TRANSIT))
    }

    /// Could the reset have been sent by this host all the same? Then it was not from elsewhere: resets sent are not
    /// seen whole, or the remote address is one of this host's, or its sender is known and only not judged yet.
    pub fn may_be_from_here(&self) -> bool {
        self.unseen_senders().next().is_some()
            || self.is_here(self.flow().remote.addr)
            || !self.would_know_sender()
            || self.received().is_some_and(|rst| self.memory.flows.sender_of(rst).is_some())
    }

    /// This host, had it sent the reset and translated it on the way, would be known for it by its numbers.
    pub fn would_know_sender(&self) -> bool {
        self.received().is_some_and(|rst| self.memory.flows.would_know_sender(rst))
    }

    /// Kinds of resets this host sends of which one may have passed unseen at the time: a run, or a segment of a recording
    /// that is read alone, may begin between a reset and its arrival.
    pub fn unseen_senders(&self) -> impl Iterator<Item = Fact> {
        let senders = [Fact::RstSent, Fact::ConnectionAborted];
        senders.into_iter().filter(|fact| !self.saw_all(*fact, TRANSIT))
    }

    /// A firewall rule of this host may have sent it in the name of the peer: that would not have been seen.
    pub fn may_be_by_rule(&self) -> bool {
        !self.saw_all(Fact::PacketRejected, TRANSIT)
    }

    /// One of this host's namespaces holds the address.
    pub fn is_here(&self, addr: IpAddr) -> bool {
        let mut holders = self.memory.namespaces.holders(addr).iter();
        addr.is_loopback() || holders.any(|holder| holder.until.is_none())
    }

    /// No listener of the reset's namespace was opened or closed unseen since then.
    pub fn knows_listeners_since(&self, since: Time) -> bool {
        self.memory.coverage.sees(Fact::Listeners, since)
    }

    /// At how many closed ports the remote address knocked in the last seconds, and for how long.
    pub fn ports_tried(&self) -> (usize, Duration) {
        let source = self.flow().remote.addr;
        self.memory.contacts.tried(self.netns(), source, self.time().plus(AT_ONCE))
    }

    /// The remote address knocked at so many closed ports in so short a time that it is looking for open ones.
    pub fn is_scanned(&self) -> bool {
        self.ports_tried().0 >= SCANNED
    }

    /// The connection lost its address translation before the segment came.
    pub fn lost_translation(&self) -> Seen<LostTranslation<'a>> {
        let found = *self.translation.get_or_init(|| LostTranslation::of(self));
        Seen::or_absent(found, self.heard_all_of_conntrack())
    }

    /// The service address the client dialled, where a segment shows that it was not translated.
    pub fn service(&self) -> Option<Endpoint> {
        let lost = self.lost_translation().yes().map(|lost| lost.entry.entry);
        let invalid = self.invalid_packet().yes().filter(|invalid| invalid.is_of_translation());
        let entry = lost.or(invalid.map(|invalid| invalid.entry))?;
        Some(entry.original.destination)
    }

    /// Netlink messages are heard in a namespace only some time after it has appeared, and entries made before are
    /// never announced (net/netfilter/nf_conntrack_ecache.c, `nf_ct_ecache_ext_add`): where one is that new, not
    /// having heard of a death proves nothing.
    fn heard_all_of_conntrack(&self) -> bool {
        let by_messages = self.memory.coverage.way(Fact::ConntrackDestroyed) == Some(Way::Netlink);
        let since = self.time().minus(NEW_NAMESPACE);
        let deaf = by_messages && self.memory.namespaces.has_newcomers(since, self.netns());
        !deaf && self.saw(Fact::ConntrackDestroyed, IDLE)
    }

    /// Conntrack found fault with the very segment that was answered, on its way here and with the headers it has here.
    pub fn invalid_packet(&self) -> Seen<&'a ConntrackInvalid> {
        let found = self.reply().and_then(|rst| {
            let headers = Tuple { source: rst.flow.remote, destination: rst.flow.local };
            self.memory.invalid.of(headers, rst.segment.seq, rst.time)
        });
        Seen::or_absent(found, self.saw(Fact::ConntrackInvalid, PASSAGE))
    }

    /// How full the conntrack table of a namespace was at that time, and what it dropped.
    pub fn conntrack_pressure(&self, netns: NetNs, time: Time) -> Option<Pressure> {
        self.memory.pressure.about(netns, time)
    }

    /// The rules of the reset's namespace that refuse with a RST, as they were listed next to the reset.
    pub fn reject_rules(&self) -> Option<&'a RejectRulesFound> {
        let listed = self.memory.reject_rules.of(self.netns())?;
        (listed.time.distance(self.time()) <= LISTED).then_some(listed)
    }

    /// Conntrack entries of a client that died while alive, the latest first.
    pub fn conntrack_deaths(
        &self,
        client: Endpoint,
    ) -> impl Iterator<Item = &'a ConntrackDestroyed> + use<'a> {
        self.memory.conntrack.of_client(client)
    }

    /// How much later than it happened a conntrack death may be stamped: netlink messages carry no time.
    pub fn conntrack_lag(&self) -> Duration {
        match self.memory.coverage.way(Fact::ConntrackDestroyed) {
            Some(Way::Netlink) => NETLINK_LAG,
            _ => Duration::ZERO,
        }
    }

    /// The namespace of the reset.
    pub fn namespace(&self) -> Option<&'a NamespaceDescribed> {
        self.memory.namespaces.get(self.netns())
    }

    /// Who was seen to hold the local address, in the order they were met.
    pub fn holders(&self) -> &'a [Holder] {
        self.memory.namespaces.holders(self.flow().local.addr)
    }

    /// A sysctl of the reset's namespace.
    pub fn sysctl(&self, name: &str) -> Option<&'a str> {
        self.sysctl_of(self.netns(), name)
    }

    /// A sysctl of any namespace.
    pub fn sysctl_of(&self, netns: NetNs, name: &str) -> Option<&'a str> {
        self.memory.namespaces.sysctl(netns, name)
    }

    /// A sysctl that the kernel keeps once for the whole host.
    pub fn sysctl_of_host(&self, name: &str) -> Option<&'a str> {
        self.memory.namespaces.sysctl_of_host(name)
    }

    /// What a person would call a namespace.
    pub fn name_of(&self, netns: NetNs) -> String {
        self.memory
            .namespaces
            .get(netns)
            .and_then(|n| n.name.clone())
            .unwrap_or_else(|| netns.to_string())
    }

    /// Was this very reset accepted by a socket of this host, between these two endpoints as that socket sees them?
    pub fn was_received(&self, local: Endpoint, remote: Endpoint) -> bool {
        let Some(rst) = self.reply() else { return false };
        self.memory.flows.received(Flow { local, remote }, rst.rst_seq(), rst.time)
    }

    /// Had this namespace ever a listener that took connections to the local endpoint?
    pub fn was_served_by(&self, holder: &Holder) -> bool {
        // An inode number that is in use again belongs to another namespace now.
        let gone =
            holder.netns == self.netns() || self.memory.namespaces.get(holder.netns).is_none();
        let listeners = &self.memory.listeners;
        let here = self.flow().local;
        if gone {
            listeners.bygone_took(holder.netns, here)
        } else {
            listeners.ever_took(holder.netns, here)
        }
    }

    /// Could this address belong to several machines or pods at once, so that it names nobody?
    pub fn is_ambiguous(&self, addr: IpAddr) -> bool {
        let living =
            self.memory.namespaces.holders(addr).iter().filter(|holder| holder.until.is_none());
        addr.is_loopback() || living.count() > 1
    }

    /// Who holds a socket inode.
    pub fn owner_of(&self, inode: u64) -> Option<&'a Owner> {
        self.memory.owners.of(inode)
    }

    /// Who did it, with all that was ever learned of that process: when it was looked up, when it was found to hold the
    /// listener of this connection, or when it was met last.
    pub fn doer(&self, rst: &ConnectionAborted) -> Option<Owner> {
        let task = rst.doer()?;
        let looked_up = rst.owner.as_deref().filter(|owner| owner.pid == task.pid);
        let known = looked_up
            .or_else(|| self.serving(task.pid))
            .or_else(|| self.memory.owners.process(task, rst.netns, rst.time));
        let named = Owner::from(task);
        Some(known.map_or_else(|| named.clone(), |known| named.clone().completed_by(known)))
    }

    /// The process of this number that holds the listener of this port, or held it until a moment ago.
    fn serving(&self, pid: u32) -> Option<&'a Owner> {
        let is_it = |known: &&KnownListener| {
            let ended = known.closed.as_ref();
            let owns = known.owner.as_ref().is_some_and(|owner| owner.pid == pid);
            owns && ended.is_none_or(|closed| closed.at.distance(self.time()) <= EMPTIED)
        };
        self.on_port().iter().rev().find(is_it)?.owner.as_ref()
    }

    /// How long this run had watched when the reset was sent.
    pub fn watched(&self) -> Duration {
        self.time().since(self.memory.coverage.since())
    }

    /// Why a kind of fact cannot be seen at all, as a sentence.
    pub fn blind_spot(&self, fact: Fact) -> Option<&'a str> {
        self.memory.coverage.blind_spot(fact)
    }

    fn on_port(&self) -> &'a [KnownListener] {
        self.memory.listeners.on_port(self.netns(), self.flow().local.port)
    }

    /// Every listener of the namespace is known: its list was complete, and no change was missed since.
    fn knows_listeners(&self) -> bool {
        let Some(namespace) = self.namespace().filter(|namespace| namespace.listeners_complete)
        else {
            return false;
        };
        let since = self.memory.namespaces.first_seen(namespace.netns).unwrap_or(namespace.time);
        self.memory.coverage.sees(Fact::Listeners, since.min(self.time()))
    }

    /// A fact could have been seen during all of `look_back` before the reset.
    fn saw_all(&self, fact: Fact, look_back: Duration) -> bool {
        self.memory.coverage.sees(fact, self.time().minus(look_back))
    }

    /// A fact could have been seen during `look_back` before the reset, or since this run began.
    fn saw(&self, fact: Fact, look_back: Duration) -> bool {
        let began = self.memory.coverage.sighted_since(fact).unwrap_or(self.time());
        let since = self.time().minus(look_back).max(began.min(self.time()));
        self.memory.coverage.sees(fact, since)
    }
}

/// Two hooks of the same packet; on the tracepoint tier the drop is reported after the reset.
const SAME_PACKET: Duration = Duration::from_millis(10);

/// How long after a dropped ACK the client's data may meet the listener: `tcp_synack_retries` 5 gives 63 s.
const HANDSHAKE: Duration = Duration::from_mins(3);

/// How long a RST may take from one namespace of a host to another, queues included.
const TRANSIT: Duration = Duration::from_millis(100);

/// What belongs to the same burst, before the case closes.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Nobody needs so many ports of one host that are all closed.
const SCANNED: usize = 16;

/// A listener that closed longer ago than this is no news.
pub const CLOSED_LATELY: Duration = Duration::from_mins(10);

/// How long it may take to reset a queue full of connections on a busy machine.
const EMPTIED: Duration = Duration::from_secs(10);

/// How long an idle connection may wait before its segment misses the entry.
const IDLE: Duration = Duration::from_hours(24);

/// How long after a namespace has appeared its conntrack messages may go unheard, and entries made meanwhile live.
const NEW_NAMESPACE: Duration = Duration::from_secs(10);

/// How far from the reset the rules may have been listed.
const LISTED: Duration = Duration::from_secs(1);

/// A netlink message waits for the next drain of its socket.
const NETLINK_LAG: Duration = Duration::from_millis(100);
