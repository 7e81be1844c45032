//! One closed case to one verdict; and the joining of both ends of a reset that stayed on this host.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{
    Acknowledged, ConnectionAborted, Endpoint, NamedPod, NetNs, Owner, PacketRejected, RstReceived,
    RstSent, Socket, TcpFlags, TcpState, Time,
};
use crate::explain::case::{Case, Symptom as Opened};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{
    Direction, Errno, Explanation, Finding, OwnerStatus, RstHeader, Symptom, Verdict,
};
use crate::explain::{infer_all, missing};
use crate::memory::Memory;

/// Numbers verdicts, and keeps the late ones of resets sent for those who receive them.
#[derive(Default)]
pub(super) struct Concluded {
    count: u64,
    /// By when the reset was sent, and to whom.
    sent: HashMap<(Time, Endpoint), Arc<Verdict>>,
    order: VecDeque<(Time, Endpoint)>,
}

impl Concluded {
    pub(super) fn after(count: u64) -> Self {
        Self { count, ..Self::default() }
    }

    pub(super) fn reply(&mut self, rst: &RstSent, memory: &Memory) -> Arc<Verdict> {
        let case = Case::new(Opened::Reply(rst), memory);
        let (symptom, errno) = felt_by_peer(case.mechanism(), rst.segment.flags);
        let (finding, also) = conclude(&case);
        let (service, owner) = (case.service(), holder(rst, &case));
        self.keep(Verdict {
            id: 0,
            time: rst.time,
            netns: rst.netns,
            namespace: memory_name(memory, rst.netns),
            pod: pod(memory, rst.netns),
            direction: Direction::Sent,
            flow: rst.flow,
            service,
            listens: case.listens(),
            symptom,
            errno,
            mechanism: case.mechanism(),
            reason: rst.reason.clone(),
            state: rst.socket.map(|socket| socket.substate.unwrap_or(socket.state)),
            rst: RstHeader { seq: rst.rst_seq(), ack: rst.rst_ack(), ttl: None },
            finding,
            also,
            owner_status: Concern::of_listener(rst.socket).status(owner.as_ref(), memory),
            owner,
            joined: None,
            peer: None,
        })
    }

    pub(super) fn abort(&mut self, rst: &ConnectionAborted, memory: &Memory) -> Arc<Verdict> {
        let case = Case::new(Opened::Abort(rst), memory);
        let (finding, also) = conclude(&case);
        let owner = loser(rst, &case);
        self.keep(Verdict {
            id: 0,
            time: rst.time,
            netns: rst.netns,
            namespace: memory_name(memory, rst.netns),
            pod: pod(memory, rst.netns),
            direction: Direction::Sent,
            flow: rst.flow,
            service: None,
            listens: case.listens(),
            symptom: Symptom::Reset,
            errno: Some(Errno::ECONNRESET),
            mechanism: case.mechanism(),
            reason: rst.reason.clone(),
            state: Some(rst.socket.state),
            rst: RstHeader { seq: rst.seq, ack: rst.ack, ttl: None },
            finding,
            also,
            owner_status: Concern::of_aborted(rst, case.mechanism()).status(owner.as_ref(), memory),
            owner,
            joined: None,
            peer: None,
        })
    }

    /// Nobody holds it: the rule speaks in the name of the packet's destination.
    pub(super) fn rejection(&mut self, rst: &PacketRejected, memory: &Memory) -> Arc<Verdict> {
        let case = Case::new(Opened::Rejection(rst), memory);
        let (symptom, errno) = felt_by_peer(case.mechanism(), rst.segment.flags);
        let (finding, also) = conclude(&case);
        self.keep(Verdict {
            id: 0,
            time: rst.time,
            netns: rst.netns,
            namespace: memory_name(memory, rst.netns),
            pod: pod(memory, rst.netns),
            direction: Direction::Sent,
            flow: rst.flow,
            service: None,
            listens: case.listens(),
            symptom,
            errno,
            mechanism: case.mechanism(),
            reason: None,
            state: None,
            rst: RstHeader { seq: rst.rst_seq(), ack: rst.rst_ack(), ttl: None },
            finding,
            also,
            owner: None,
            owner_status: OwnerStatus::Nobody,
            joined: None,
            peer: None,
        })
    }

    /// `None` when no reset was received at all: on kernels that show no packet the same call announces data after
    /// shutdown, and is followed at once by a RST from this very socket (net/ipv4/tcp_input.c, `tcp_rcv_state_process`).
    pub(super) fn received(&mut self, rst: &RstReceived, memory: &Memory) -> Option<Arc<Verdict>> {
        if rst.ttl.is_none() && memory.flows.refused_instead(rst) {
            return None;
        }
        let sender =
            memory.flows.sender_of(rst).and_then(|sent| self.sent.get(&sent)).map(Arc::as_ref);
        let (symptom, errno) = felt_here(&rst.socket);
        let case = Case::new(Opened::Received(rst), memory);
        let (finding, also) = match sender {
            Some(sender) => (sender.finding.clone(), sender.also.clone()),
            None => conclude(&case),
        };
        let owner = rst.socket.inode.and_then(|inode| memory.owners.of(inode)).cloned();
        let verdict = Verdict {
            id: 0,
            time: rst.time,
            netns: rst.netns,
            namespace: memory_name(memory, rst.netns),
            pod: pod(memory, rst.netns),
            direction: Direction::Received,
            flow: rst.flow,
            service: sender
                .filter(|sender| sender.flow.local != rst.flow.remote)
                .map(|_| rst.flow.remote),
            listens: case.listens(),
            symptom,
            errno,
            mechanism: Mechanism::FromPeer,
            reason: None,
            state: Some(rst.socket.state),
            rst: header(rst, sender),
            finding,
            also,
            owner_status: Concern::of(rst.socket).status(owner.as_ref(), memory),
            owner,
            joined: sender.map(|sender| sender.id),
            peer: None,
        };
        Some(Arc::new(self.number(verdict)))
    }

    fn keep(&mut self, verdict: Verdict) -> Arc<Verdict> {
        let verdict = Arc::new(self.number(verdict));
        self.forget_before(verdict.time.minus(JOINABLE));
        let key = (verdict.time, verdict.flow.remote);
        self.sent.insert(key, Arc::clone(&verdict));
        self.order.push_back(key);
        verdict
    }

    fn forget_before(&mut self, time: Time) {
        while self.order.front().is_some_and(|(sent, _)| *sent < time) || self.order.len() > KEPT {
            let Some(key) = self.order.pop_front() else { return };
            self.sent.remove(&key);
        }
    }

    fn number(&mut self, verdict: Verdict) -> Verdict {
        self.count += 1;
        Verdict { id: self.count, ..verdict }
    }
}

fn conclude(case: &Case<'_>) -> (Finding, Vec<Explanation>) {
    let mut fitting = infer_all(case).into_iter();
    match fitting.next() {
        Some(best) => (Finding::Explained(Arc::new(best)), fitting.collect()),
        None => (Finding::Unexplained { missing: missing(case) }, Vec::new()),
    }
}

/// Without its packet a RST received is what its sender sent, when that is known.
fn header(rst: &RstReceived, sender: Option<&Verdict>) -> RstHeader {
    let ack = match (rst.ack, sender) {
        (Acknowledged::Unseen, Some(sender)) => sender.rst.ack,
        (ack, _) => ack,
    };
    RstHeader { seq: rst.seq, ack, ttl: rst.ttl }
}

/// What the application at the other end gets of a reply.
fn felt_by_peer(mechanism: Mechanism, answered: TcpFlags) -> (Symptom, Option<Errno>) {
    if answered.syn() && !answered.ack() {
        return (Symptom::Refused, Some(Errno::ECONNREFUSED));
    }
    match mechanism {
        // The other end has only half a connection, and nobody has accepted it yet.
        Mechanism::Rejected if answered.syn() => (Symptom::Reset, None),
        // The peer waits for a handshake that we never began, or has forgotten: it tries again, unharmed.
        Mechanism::SynAckToNoSocket | Mechanism::BadAckToSyn => (Symptom::Reset, None),
        // It has our FIN, or gets it before the RST: it reads the end of the stream, and what it writes fails.
        Mechanism::SegmentToTimeWait | Mechanism::DataAfterClose => {
            (Symptom::Reset, Some(Errno::EPIPE))
        }
        _ => (Symptom::Reset, Some(Errno::ECONNRESET)),
    }
}

/// What the application here gets (net/ipv4/tcp_input.c, `tcp_reset`).
fn felt_here(socket: &Socket) -> (Symptom, Option<Errno>) {
    if socket.dead || !socket.owned {
        // Closed already: nobody is left to be told.
        return (Symptom::Reset, None);
    }
    match socket.state {
        TcpState::SynSent => (Symptom::Refused, Some(Errno::ECONNREFUSED)),
        TcpState::CloseWait => (Symptom::Reset, Some(Errno::EPIPE)),
        TcpState::Close => (Symptom::Reset, None),
        _ => (Symptom::Reset, Some(Errno::ECONNRESET)),
    }
}

/// Who holds the listener a segment met. A reply has no other owner: it is the kernel's.
fn holder(rst: &RstSent, case: &Case<'_>) -> Option<Owner> {
    let socket = rst.socket.filter(|socket| socket.state == TcpState::Listen)?;
    let by_inode = socket.inode.and_then(|inode| case.owner_of(inode));
    by_inode.cloned().or_else(|| case.listener().yes()?.owner.clone())
}

/// Who lost the connection: closing a socket is done by its owner; what a timer or somebody else aborts is found by its
/// inode; what was never accepted was the listener's.
fn loser(rst: &ConnectionAborted, case: &Case<'_>) -> Option<Owner> {
    match case.mechanism() {
        Mechanism::NeverAccepted => case.emptied_listener().yes()?.1.by.clone(),
        _ if rst.socket.state == TcpState::Close => case.doer(rst),
        _ => case.owner_of(rst.socket.inode?).cloned(),
    }
}

/// Is it a process's socket that this is about, and which?
enum Concern {
    Nobody,
    Socket(Option<u64>),
}

impl Concern {
    fn of(socket: Socket) -> Self {
        let in_use = socket.owned && !socket.dead;
        if in_use { Self::Socket(socket.inode) } else { Self::Nobody }
    }

    fn of_listener(socket: Option<Socket>) -> Self {
        let listener = socket.filter(|socket| socket.state == TcpState::Listen);
        listener.map_or(Self::Nobody, |socket| Self::Socket(socket.inode))
    }

    /// What was never accepted belongs to whoever had the listener.
    fn of_aborted(rst: &ConnectionAborted, mechanism: Mechanism) -> Self {
        let closing = rst.doer().is_some() && rst.socket.state == TcpState::Close;
        if mechanism == Mechanism::NeverAccepted || closing {
            return Self::Socket(rst.socket.inode);
        }
        Self::of(rst.socket)
    }

    fn status(&self, owner: Option<&Owner>, memory: &Memory) -> OwnerStatus {
        match (owner, self) {
            (Some(owner), _) if owner.gone => OwnerStatus::Gone,
            (Some(_), _) => OwnerStatus::Known,
            (None, Self::Nobody) => OwnerStatus::Nobody,
            (None, Self::Socket(Some(inode))) if memory.owners.is_abandoned(*inode) => {
                OwnerStatus::Gone
            }
            (None, Self::Socket(_)) => OwnerStatus::Unknown,
        }
    }
}

fn memory_name(memory: &Memory, netns: NetNs) -> Option<String> {
    memory.namespaces.get(netns)?.name.clone()
}

fn pod(memory: &Memory, netns: NetNs) -> Option<NamedPod> {
    memory.namespaces.get(netns)?.pod.clone()
}

/// How long after it was sent a reset may still be joined with its receiving end.
const JOINABLE: Duration = Duration::from_secs(1);

/// Verdicts kept for the receiving end, in a storm.
const KEPT: usize = 131_072;
