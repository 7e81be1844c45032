//! Stories for tests: what happened, in order, and what the engine makes of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::verdict::{Amendment, Conclusion, Explanation, Finding, Remedy, Verdict};
use crate::engine::Engine;
use crate::event::*;

/// A watched host, told event by event. Everything is covered and namespace 1 is known, unless said otherwise.
pub(crate) struct Story {
    now: Time,
    netns: NetNs,
    packets: u64,
    events: Vec<Event>,
}

impl Story {
    pub(crate) fn new() -> Self {
        let mut story =
            Self { now: Time(900_000_000), netns: NetNs(1), packets: 0, events: Vec::new() };
        story.host();
        // Whatever was on its way when the run began has arrived.
        story.covered_but(&[]).namespace(1, &["10.0.0.1", "fd00::1"], false).after(100)
    }

    /// A run that cannot see some facts.
    pub(crate) fn blind_to(facts: &[Fact]) -> Self {
        Self::new().covered_but(facts)
    }

    /// Conntrack deaths are heard by netlink only.
    pub(crate) fn conntrack_by_messages(self) -> Self {
        let mut story = self.covered_but(&[]);
        if let Some(Event::CoverageDeclared(declared)) = story.events.last_mut() {
            let rows = declared.hooks.iter_mut().filter(|row| row.fact == Fact::ConntrackDestroyed);
            rows.for_each(|row| row.way = Some(Way::Netlink));
        }
        story
    }

    pub(crate) fn after(mut self, ms: u64) -> Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        self
    }

    /// What follows happens in this namespace.
    pub(crate) fn within(mut self, netns: u32) -> Self {
        self.netns = NetNs(netns);
        self
    }

    pub(crate) fn namespace(self, netns: u32, addresses: &[&str], appeared: bool) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|addr| addr.parse().unwrap()).collect();
        let sysctls = BTreeMap::from([
            ("net.core.somaxconn".into(), "4096".into()),
            ("net.ipv4.tcp_syncookies".into(), "1".into()),
            ("net.netfilter.nf_conntrack_tcp_timeout_established".into(), "86400".into()),
        ]);
        let described = NamespaceDescribed {
            time: self.now,
            netns: NetNs(netns),
            name: Some(format!("ns{netns}")),
            pid: None,
            command: None,
            pod: None,
            appeared,
            listeners_complete: true,
            addresses,
            sysctls,
        };
        self.tell(Event::NamespaceDescribed(described))
    }

    pub(crate) fn vanishes(self, netns: u32) -> Self {
        let vanished = NamespaceVanished { time: self.now, netns: NetNs(netns) };
        self.tell(Event::NamespaceVanished(vanished))
    }

    pub(crate) fn finds(self, local: &str) -> Self {
        let change = self.change(local, None);
        self.tell(Event::ListenerFound(change))
    }

    pub(crate) fn opens(self, local: &str) -> Self {
        let change = self.change(local, None);
        self.tell(Event::ListenerOpened(change))
    }

    pub(crate) fn closes(self, local: &str, exit: Option<Exit>) -> Self {
        let change = self.change(local, exit);
        self.tell(Event::ListenerClosed(change))
    }

    /// The last ACK of `remote`'s handshake with `local`, acknowledging `ack`, finds a full queue of 4.
    pub(crate) fn overflows(mut self, local: &str, remote: &str, ack: u32) -> Self {
        let overflowed = AcceptQueueOverflowed {
            time: self.now,
            netns: self.netns,
            flow: flow(local, remote),
            listener: Some(Self::listening(5)),
            segment: segment(TcpFlags::ACK, ack, 0),
            packet: self.packet(),
        };
        self.tell(Event::AcceptQueueOverflowed(overflowed))
    }

    /// The same packet as the last overflow is answered with a RST.
    pub(crate) fn refuses_the_same_packet(self, local: &str, remote: &str, ack: u32) -> Self {
        let mut rst = self.reply(local, remote, segment(TcpFlags::ACK, ack, 0));
        rst.socket = Some(Self::listening(5));
        rst.packet = PacketId(self.packets);
        self.tell(Event::RstSent(rst))
    }

    /// A segment with data, acknowledging `ack`, meets a listener and is refused.
    pub(crate) fn data_meets_listener(self, local: &str, remote: &str, ack: u32) -> Self {
        self.segment_meets_listener(local, remote, segment(TcpFlags::ACK, ack, 4))
    }

    /// An ACK without data meets a listener and is refused.
    pub(crate) fn lone_ack_meets_listener(self, local: &str, remote: &str) -> Self {
        self.segment_meets_listener(local, remote, segment(TcpFlags::ACK, 1000, 0))
    }

    pub(crate) fn data_meets_nobody(self, local: &str, remote: &str) -> Self {
        self.data_meets_nobody_after(local, remote, 1000)
    }

    pub(crate) fn syn_meets_nobody(self, local: &str, remote: &str) -> Self {
        let rst = self.reply(local, remote, segment(TcpFlags::SYN, 0, 0));
        self.tell(Event::RstSent(rst))
    }

    /// A socket of this namespace accepts a RST.
    pub(crate) fn receives(self, local: &str, remote: &str, seq: u32, state: TcpState) -> Self {
        let rst = RstReceived { seq, ..self.taken(local, remote, state) };
        self.tell(Event::RstReceived(rst))
    }

    /// Dialling was answered with a RST.
    pub(crate) fn refused(self, local: &str, remote: &str) -> Self {
        self.receives(local, remote, 0, TcpState::SynSent)
    }

    /// A firewall rule refuses a SYN from `remote` to `local`.
    pub(crate) fn rejects_syn(self, hook: FilterHook, local: &str, remote: &str) -> Self {
        let rejected = PacketRejected {
            time: self.now,
            netns: self.netns,
            hook,
            flow: flow(local, remote),
            segment: segment(TcpFlags::SYN, 0, 0),
            packet: PacketId(8_888),
            input: Some("eth0".into()),
            output: None,
        };
        self.tell(Event::PacketRejected(rejected))
    }

    /// The rules of this namespace that reject with a reset are listed.
    pub(crate) fn lists_rules(self, rules: &[RejectRule], complete: bool) -> Self {
        let (time, netns, rules) = (self.now, self.netns, rules.to_vec());
        self.tell(Event::RejectRulesFound(RejectRulesFound { time, netns, rules, complete }))
    }

    /// Conntrack finds fault with the next segment of a translated conversation, as [`Self::data_meets_nobody`] tells it.
    pub(crate) fn finds_invalid(
        self,
        client: &str,
        service: &str,
        backend: &str,
        direction: ConntrackDirection,
    ) -> Self {
        self.finds_invalid_seq(client, service, backend, direction, SEQ)
    }

    /// The same of a segment with this sequence number.
    pub(crate) fn finds_invalid_seq(
        self,
        client: &str,
        service: &str,
        backend: &str,
        direction: ConntrackDirection,
        seq: u32,
    ) -> Self {
        let invalid = ConntrackInvalid {
            time: self.now,
            netns: NetNs(9),
            entry: entry(client, service, backend),
            state: ConntrackState::Established,
            direction,
            segment: Segment { seq, ..segment(TcpFlags::ACK, 1000, 4) },
            packet: PacketId(7_777),
        };
        self.tell(Event::ConntrackInvalid(invalid))
    }

    /// The counters of a namespace that tracks connections are read.
    pub(crate) fn reads_conntrack(
        self,
        netns: u32,
        entries: u64,
        limit: u64,
        early_drops: u64,
    ) -> Self {
        let counters = ConntrackCounters { entries, limit, early_drops, drops: 0, invalid: 0 };
        let read = CountersRead {
            time: self.now,
            netns: NetNs(netns),
            conntrack: Some(counters),
            ..CountersRead::default()
        };
        self.tell(Event::CountersRead(read))
    }

    /// A SYN+ACK nobody waits for is answered with a RST.
    pub(crate) fn syn_ack_meets_nobody(self, local: &str, remote: &str) -> Self {
        let rst = self.reply(local, remote, segment(TcpFlags::SYN | TcpFlags::ACK, 1000, 0));
        self.tell(Event::RstSent(rst))
    }

    /// A translated handshake loses its entry within `early_drop`.
    pub(crate) fn evicts_entry(self, client: &str, service: &str, backend: &str) -> Self {
        let state = ConntrackState::SynRecv;
        let mut story =
            self.loses_unassured_entry(client, service, backend, removed(50), state, false);
        if let Some(Event::ConntrackDestroyed(death)) = story.events.last_mut() {
            death.evicted = true;
        }
        story
    }

    /// A translated conversation in this state loses its entry.
    pub(crate) fn loses_unassured_entry(
        self,
        client: &str,
        service: &str,
        backend: &str,
        death: Death,
        state: ConntrackState,
        assured: bool,
    ) -> Self {
        let mut story = self.entry_dies(client, service, backend, death, true);
        if let Some(Event::ConntrackDestroyed(death)) = story.events.last_mut() {
            (death.state, death.assured) = (Some(state), assured);
        }
        story
    }

    /// The entry that died last was of this zone.
    pub(crate) fn in_zone(mut self, zone: u16) -> Self {
        if let Some(Event::ConntrackDestroyed(death)) = self.events.last_mut() {
            death.entry.zone = zone;
        }
        self
    }

    /// A socket of this namespace accepts a RST, and tells how far its connection had come.
    pub(crate) fn takes(
        self,
        local: &str,
        remote: &str,
        state: TcpState,
        talk: Talk,
        ack: Acknowledged,
    ) -> Self {
        let mut rst = self.taken(local, remote, state);
        (rst.conversation, rst.ack) = (Some(Box::new(talk.0)), ack);
        if state == TcpState::SynSent {
            rst.seq = 0;
        }
        self.tell(Event::RstReceived(rst))
    }

    /// Part of the peer's data may lie unread, and came with a hop count of its own.
    pub(crate) fn takes_with_ttl(
        self,
        local: &str,
        remote: &str,
        ttl: u8,
        data: Option<u8>,
    ) -> Self {
        let mut rst = self.taken(local, remote, TcpState::Established);
        (rst.ttl, rst.data_ttl) = (Some(ttl), data);
        self.tell(Event::RstReceived(rst))
    }

    /// The client resets a handshake it has begun.
    pub(crate) fn handshake_reset(self, local: &str, remote: &str) -> Self {
        let mut rst = self.taken(local, remote, TcpState::NewSynRecv);
        (rst.socket.kind, rst.socket.owned) = (SocketKind::Request, false);
        self.tell(Event::RstReceived(rst))
    }

    /// A RST from the peer, or data for a socket that takes no more, where the hook shows no packet.
    pub(crate) fn receives_unseen(self, local: &str, remote: &str, state: TcpState) -> Self {
        let rst = RstReceived { ttl: None, ..self.taken(local, remote, state) };
        self.tell(Event::RstReceived(rst))
    }

    /// A segment meets what is left of a connection that this host had closed.
    pub(crate) fn late_segment(self, local: &str, remote: &str, late: Late) -> Self {
        let mut rst = self.reply(local, remote, late.segment);
        (rst.socket, rst.conversation) =
            (Some(late.socket), late.talk.map(|talk| Box::new(talk.0)));
        (rst.ended_ago, rst.retransmits) = (late.ended_ago, late.retransmits);
        self.tell(Event::RstSent(rst))
    }

    /// Our SYN with this number is answered by a segment of these flags.
    pub(crate) fn syn_answered(
        self,
        local: &str,
        remote: &str,
        isn: u32,
        flags: u8,
        ack: u32,
    ) -> Self {
        let mut rst = self.reply(local, remote, segment(flags, ack, 0));
        rst.socket = Some(Self::connection(TcpState::SynSent));
        let talk = Conversation { snd_una: isn, snd_nxt: isn.wrapping_add(1), ..talk().0 };
        rst.conversation = Some(Box::new(talk));
        self.tell(Event::RstSent(rst))
    }

    /// A second SYN meets the listener in the middle of a handshake.
    pub(crate) fn syn_meets_listener(self, local: &str, remote: &str) -> Self {
        self.segment_meets_listener(local, remote, segment(TcpFlags::SYN, 0, 0))
    }

    /// A handshake finds the next packet's acknowledgement wrong.
    pub(crate) fn refuses_ack(self, local: &str, remote: &str, expected: u32) -> Self {
        let refused = HandshakeAckRefused {
            time: self.now,
            netns: self.netns,
            flow: flow(local, remote),
            segment: segment(TcpFlags::ACK, 1000, 0),
            packet: ANY_PACKET,
            expected,
        };
        self.tell(Event::HandshakeAckRefused(refused))
    }

    /// An ACK meets a full socket that had asked for another one.
    pub(crate) fn ack_meets_handshake(
        self,
        local: &str,
        remote: &str,
        expected: u32,
        ack: u32,
    ) -> Self {
        let mut rst = self.reply(local, remote, segment(TcpFlags::ACK, ack, 0));
        rst.socket = Some(Self::connection(TcpState::SynRecv));
        rst.conversation = Some(Box::new(Conversation { snd_nxt: expected, ..talk().0 }));
        self.tell(Event::RstSent(rst))
    }

    /// An ACK meets a listener that sent a cookie so long ago.
    pub(crate) fn ack_meets_cookies(
        self,
        local: &str,
        remote: &str,
        ago_ms: u64,
        payload: u32,
    ) -> Self {
        let mut rst = self.reply(local, remote, segment(TcpFlags::ACK, 1000, payload));
        rst.socket = Some(Socket { syn_queue_len: Some(128), ..Self::listening(0) });
        rst.cookies_ago = Some(Duration::from_millis(ago_ms));
        self.tell(Event::RstSent(rst))
    }

    /// A segment with data, acknowledging `ack`, finds no socket.
    pub(crate) fn data_meets_nobody_after(self, local: &str, remote: &str, ack: u32) -> Self {
        let rst = self.reply(local, remote, segment(TcpFlags::ACK, ack, 4));
        self.tell(Event::RstSent(rst))
    }

    /// This host aborts a connection by closing it with linger zero.
    pub(crate) fn aborts(self, local: &str, remote: &str) -> Self {
        self.gives_up(local, remote, |rst| rst.socket.linger_zero = true)
    }

    /// This host gives a connection up of its own accord: nginx[77] is closing its socket, for no reason yet.
    pub(crate) fn gives_up(
        self,
        local: &str,
        remote: &str,
        because: impl FnOnce(&mut ConnectionAborted),
    ) -> Self {
        let socket = Self::connection(TcpState::Close);
        let mut rst = ConnectionAborted {
            time: self.now,
            netns: self.netns,
            flow: flow(local, remote),
            socket,
            seq: 7,
            ack: Acknowledged::Number(9),
            unread: 0,
            reason: None,
            user_timeout: 0,
            probes: 0,
            task: Task {
                pid: 77,
                command: "nginx".into(),
                uid: 0,
                exit: None,
                oom_victim: false,
                kernel: false,
            },
            locked: true,
            file: SocketFile::Released,
            fin_received: false,
            unacknowledged: false,
            linger2_negative: false,
            mptcp: false,
            memory_exceeded: false,
            silence: None,
            owner: None,
        };
        because(&mut rst);
        self.tell(Event::ConnectionAborted(rst))
    }

    /// Somebody else opened, found or closed the listener told of last.
    pub(crate) fn by(mut self, owner: Owner) -> Self {
        let change = self.events.iter_mut().rev().find_map(|event| match event {
            Event::ListenerOpened(change)
            | Event::ListenerFound(change)
            | Event::ListenerClosed(change) => Some(change),
            _ => None,
        });
        change.expect("a listener").owner = Some(owner);
        self
    }

    /// The process behind a socket was looked up.
    pub(crate) fn holds(self, inode: u64, owner: Owner) -> Self {
        let found = OwnerFound {
            time: self.now,
            netns: self.netns,
            inode,
            owner: Some(owner),
            all_seen: true,
        };
        self.tell(Event::OwnerFound(found))
    }

    /// A sysctl of the namespace described last.
    pub(crate) fn knowing(mut self, sysctl: &str, value: &str) -> Self {
        let described = self.events.iter_mut().rev().find_map(|event| match event {
            Event::NamespaceDescribed(described) => Some(described),
            _ => None,
        });
        let sysctls = &mut described.expect("a namespace").sysctls;
        sysctls.insert(sysctl.into(), value.into());
        self
    }

    /// A translated conversation loses its entry: client -> service, carried by back end.
    pub(crate) fn loses_entry(
        self,
        client: &str,
        service: &str,
        backend: &str,
        death: Death,
    ) -> Self {
        self.entry_dies(client, service, backend, death, true)
    }

    /// The entry that took a segment up in mid-stream dies of the reset.
    pub(crate) fn pickup_dies(self, client: &str, service: &str, backend: &str) -> Self {
        self.entry_dies(client, service, backend, removed(300), false)
    }

    pub(crate) fn loses_events(self, fact: Fact, since_ms: u64) -> Self {
        let since = self.now.minus(Duration::from_millis(since_ms));
        let lost = EventsLost { since, until: self.now, fact, count: 1, stage: LossStage::Ring };
        self.tell(Event::EventsLost(lost))
    }

    /// The kernel's counters; of these only the resets sent.
    pub(crate) fn reads_counters(self, out_rsts: u64) -> Self {
        let (time, netns) = (self.now, self.netns);
        self.tell(Event::CountersRead(CountersRead {
            time,
            netns,
            out_rsts,
            ..CountersRead::default()
        }))
    }

    pub(crate) fn events(self) -> Vec<Event> {
        self.events
    }

    pub(crate) fn conclusions(self) -> Vec<Conclusion> {
        let mut engine = Engine::new();
        let mut told: Vec<_> = self.events.iter().flat_map(|event| engine.observe(event)).collect();
        told.extend(engine.finish());
        told
    }

    pub(crate) fn verdicts(self) -> Vec<Verdict> {
        let verdict = |conclusion| match conclusion {
            Conclusion::Verdict(verdict) => Some(Arc::unwrap_or_clone(verdict)),
            Conclusion::Amendment(_) => None,
        };
        self.conclusions().into_iter().filter_map(verdict).collect()
    }

    pub(crate) fn amendments(self) -> Vec<Amendment> {
        let amendment = |conclusion| match conclusion {
            Conclusion::Verdict(_) => None,
            Conclusion::Amendment(amendment) => Some(*amendment),
        };
        self.conclusions().into_iter().filter_map(amendment).collect()
    }

    /// What the last verdict says: `code certainty: sentence`, or `unexplained: what is missing`.
    pub(crate) fn said(self) -> String {
        told(&self.verdicts().pop().expect("a story with a reset"))
    }

    /// The evidence of the last verdict: `source: text`, in one line.
    pub(crate) fn evidence(self) -> String {
        let lines = self.best().cause.evidence().into_iter();
        lines.map(|line| format!("{}: {}", line.source, line.text)).collect::<Vec<_>>().join("; ")
    }

    /// What the last verdict advises.
    pub(crate) fn remedy(self) -> Remedy {
        self.best().cause.remedy()
    }

    fn best(self) -> Arc<Explanation> {
        match self.verdicts().pop().expect("a story with a reset").finding {
            Finding::Explained(best) => best,
            Finding::Unexplained { missing } => panic!("unexplained: {missing:?}"),
        }
    }

    /// Only the code, or `unexplained`.
    pub(crate) fn code(self) -> &'static str {
        match self.verdicts().pop().expect("a story with a reset").finding {
            Finding::Explained(best) => best.cause.code(),
            Finding::Unexplained { .. } => "unexplained",
        }
    }

    fn tell(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    fn host(&mut self) {
        self.events.push(Event::HostDescribed(HostDescribed {
            time: self.now,
            wall: 1_700_000_000_000_000_000,
            hostname: "node".into(),
            boot_id: String::new(),
            kernel: String::new(),
            version: String::new(),
        }));
    }

    fn covered_but(self, blind: &[Fact]) -> Self {
        let hook = |fact: &Fact| HookCoverage {
            fact: *fact,
            hook: format!("{fact:?}"),
            way: (!blind.contains(fact)).then_some(Way::Fentry),
            failed: Vec::new(),
            blind: if blind.contains(fact) { "not to be seen here".into() } else { String::new() },
            idle: false,
        };
        let hooks = Fact::ALL.iter().map(hook).collect();
        let time = self.now;
        self.tell(Event::CoverageDeclared(CoverageDeclared { time, hooks }))
    }

    fn change(&self, local: &str, exit: Option<Exit>) -> ListenerChange {
        let listener = Listener {
            local: endpoint(local),
            v6only: false,
            accept_queue: AcceptQueue { len: 0, limit: 4 },
            socket: None,
            inode: None,
            cgroup: None,
        };
        let owner = Some(Owner::named(77, "nginx"));
        ListenerChange { time: self.now, netns: self.netns, listener, owner, exit }
    }

    fn packet(&mut self) -> PacketId {
        self.packets += 1;
        PacketId(self.packets)
    }

    fn listening(len: u32) -> Socket {
        Socket {
            id: SocketId(1),
            kind: SocketKind::Full,
            state: TcpState::Listen,
            substate: None,
            owned: true,
            dead: false,
            peer_ended: false,
            keepalive: false,
            linger_zero: false,
            inode: None,
            cgroup: None,
            accept_queue: Some(AcceptQueue { len, limit: 4 }),
            syn_queue_len: None,
        }
    }

    fn connection(state: TcpState) -> Socket {
        Socket { state, accept_queue: None, ..Self::listening(0) }
    }

    /// Numbered 5.
    fn taken(&self, local: &str, remote: &str, state: TcpState) -> RstReceived {
        RstReceived {
            time: self.now,
            netns: self.netns,
            flow: flow(local, remote),
            socket: Self::connection(state),
            seq: 5,
            ack: Acknowledged::Unseen,
            ttl: Some(64),
            data_ttl: None,
            conversation: None,
        }
    }

    fn reply(&self, local: &str, remote: &str, segment: Segment) -> RstSent {
        RstSent {
            time: self.now,
            netns: self.netns,
            flow: flow(local, remote),
            socket: None,
            segment,
            packet: ANY_PACKET,
            reason: None,
            tracking: Tracking::None,
            conversation: None,
            ended_ago: None,
            cookies_ago: None,
            retransmits: 0,
        }
    }

    fn segment_meets_listener(self, local: &str, remote: &str, segment: Segment) -> Self {
        let mut rst = self.reply(local, remote, segment);
        rst.socket = Some(Self::listening(0));
        self.tell(Event::RstSent(rst))
    }

    fn entry_dies(
        self,
        client: &str,
        service: &str,
        backend: &str,
        death: Death,
        replied: bool,
    ) -> Self {
        let destroyed = ConntrackDestroyed {
            time: self.now,
            netns: NetNs(9),
            entry: entry(client, service, backend),
            state: Some(ConntrackState::Established),
            seen_reply: replied,
            assured: replied,
            death: Some(death),
            remover: None,
            evicted: false,
        };
        self.tell(Event::ConntrackDestroyed(destroyed))
    }
}

/// What a verdict says: `code certainty: sentence`, or `unexplained: what is missing`.
pub(crate) fn told(verdict: &Verdict) -> String {
    match &verdict.finding {
        Finding::Explained(best) => {
            format!("{} {}: {}", best.cause.code(), best.certainty, best.cause)
        }
        Finding::Unexplained { missing } => format!("unexplained: {}", missing.join("; ")),
    }
}

/// How far a connection had come. Times are in milliseconds before the reset.
#[derive(Clone, Copy)]
pub(crate) struct Talk(Conversation);

/// Data went both ways until a moment ago, and all was acknowledged.
pub(crate) fn talk() -> Talk {
    let moment = Duration::from_millis(2);
    Talk(Conversation {
        received_ago: moment,
        sent_ago: moment,
        heard_ago: moment,
        transmitted_ago: Duration::ZERO,
        received: 120,
        sent: 4096,
        snd_una: 5,
        snd_nxt: 5,
    })
}

impl Talk {
    /// No data either way since.
    pub(crate) fn idle(self, ms: u64) -> Self {
        self.with(|talk| {
            (talk.received_ago, talk.sent_ago) =
                (Duration::from_millis(ms), Duration::from_millis(ms));
        })
    }

    /// An acknowledgement, or the peer's end, came last.
    pub(crate) fn heard(self, ms: u64) -> Self {
        self.with(|talk| talk.heard_ago = Duration::from_millis(ms))
    }

    /// Data was sent last.
    pub(crate) fn written(self, ms: u64) -> Self {
        self.with(|talk| talk.sent_ago = Duration::from_millis(ms))
    }

    /// Anything was sent last.
    pub(crate) fn transmitted(self, ms: u64) -> Self {
        self.with(|talk| talk.transmitted_ago = Duration::from_millis(ms))
    }

    /// So many bytes in all.
    pub(crate) fn received(self, bytes: u32) -> Self {
        self.with(|talk| talk.received = bytes)
    }

    pub(crate) fn unacknowledged(self, bytes: u32) -> Self {
        self.with(|talk| talk.snd_nxt = talk.snd_una.wrapping_add(bytes))
    }

    fn with(mut self, change: impl FnOnce(&mut Conversation)) -> Self {
        change(&mut self.0);
        self
    }
}

/// A segment of four bytes, and what it meets: a connection closed by this host.
#[derive(Clone, Copy)]
pub(crate) struct Late {
    segment: Segment,
    socket: Socket,
    talk: Option<Talk>,
    ended_ago: Option<Duration>,
    retransmits: u8,
}

impl Late {
    /// What is left is a TIME_WAIT socket that waits for the peer's end, so many milliseconds old.
    pub(crate) fn to_time_wait(ms: u64) -> Self {
        let socket = Socket {
            kind: SocketKind::TimeWait,
            substate: Some(TcpState::FinWait2),
            owned: false,
            ..Story::connection(TcpState::TimeWait)
        };
        let ended_ago = Some(Duration::from_millis(ms));
        Self { socket, talk: None, ended_ago, ..Self::to_orphan(talk()) }
    }

    /// What is left is a socket without an owner; its FIN was not acknowledged when the segment was sent.
    pub(crate) fn to_orphan(talk: Talk) -> Self {
        let socket = Socket { owned: false, dead: true, ..Story::connection(TcpState::Close) };
        let segment = segment(TcpFlags::ACK, 5, 4);
        let talk = Some(talk.unacknowledged(1));
        Self { segment, socket, talk, ended_ago: None, retransmits: 0 }
    }

    /// The application shut it down, and still has it.
    pub(crate) fn held(mut self) -> Self {
        (self.socket.owned, self.socket.dead) = (true, false);
        self
    }

    pub(crate) fn acknowledging_the_end(mut self) -> Self {
        self.segment.ack = 6;
        self
    }

    pub(crate) fn without_data(mut self) -> Self {
        self.segment.payload = 0;
        self
    }

    /// The peer had ended as well.
    pub(crate) fn behind_its_end(mut self) -> Self {
        self.socket.peer_ended = true;
        self
    }

    /// It is the beginning of another connection.
    pub(crate) fn syn(mut self) -> Self {
        (self.segment.flags, self.segment.payload) = (TcpFlags(TcpFlags::SYN), 0);
        self
    }

    /// The FIN had been sent again so often.
    pub(crate) fn repeated(mut self, times: u8) -> Self {
        self.retransmits = times;
        self
    }
}

/// Every packet that no story follows from hook to hook.
const ANY_PACKET: PacketId = PacketId(9_999);

pub(crate) fn removed(seconds: u64) -> Death {
    Death::Removed { remaining: Duration::from_secs(seconds) }
}

pub(crate) fn expired() -> Death {
    Death::Expired { before_removal: Some(Duration::from_secs(30)) }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    let parsed: SocketAddr = text.parse().unwrap();
    Endpoint::new(parsed.ip(), parsed.port())
}

/// A rule that rejects with a reset.
pub(crate) fn reject_rule(family: &str, hook: Option<FilterHook>, handle: u64) -> RejectRule {
    let (family, chain) = (family.to_owned(), format!("chain{handle}"));
    RejectRule { family, table: "filter".into(), chain, hook, handle, comment: None }
}

fn entry(client: &str, service: &str, backend: &str) -> ConntrackEntry {
    let (client, service, backend) = (endpoint(client), endpoint(service), endpoint(backend));
    ConntrackEntry {
        original: Tuple { source: client, destination: service },
        reply: Tuple { source: backend, destination: client },
        zone: 0,
    }
}

fn flow(local: &str, remote: &str) -> Flow {
    Flow { local: endpoint(local), remote: endpoint(remote) }
}

fn segment(flags: u8, ack: u32, payload: u32) -> Segment {
    Segment { seq: SEQ, ack, payload, flags: TcpFlags(flags), ttl: 64 }
}

/// Every segment of a story has it.
const SEQ: u32 = 1;
