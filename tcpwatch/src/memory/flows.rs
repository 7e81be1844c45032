//! Which resets did this host send and accept, and for which connections?

use std::time::Duration;

use super::bounded::History;
use crate::event::{
    Acknowledged, ConnectionAborted, Conversation, Endpoint, Flow, NetNs, PacketRejected,
    RstReceived, RstSent, SocketId, SocketKind, TcpState, Time,
};

/// Resets sent and resets accepted, by the endpoint they went to; and connections that ended with one.
pub struct Flows {
    sent: History<Endpoint, Sent>,
    /// The same by the number that no translation of addresses changes (see [`number`]): when, and to whom.
    numbered: History<u32, (Time, Endpoint)>,
    aborted: History<(NetNs, Flow), ConnectionAborted>,
    ended: History<(NetNs, Flow), Ending>,
    accepted: History<Endpoint, Receiver>,
}

struct Sent {
    time: Time,
    netns: NetNs,
    flow: Flow,
    seq: u32,
}

/// The end of a connection that had been closed here, and whose peer was told by a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub at: Time,
    /// The sequence number of that RST: where the connection had come to.
    pub seq: u32,
    socket: SocketId,
}

/// Who took a RST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    at: Time,
    netns: NetNs,
    flow: Flow,
    seq: u32,
    /// As it was before; only of a connection that the other end had ended.
    pub conversation: Option<Box<Conversation>>,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            sent: History::new(STORM, FRESH),
            numbered: History::new(16_384, FRESH),
            aborted: History::with_capacity(16_384),
            ended: History::with_capacity(16_384),
            accepted: History::new(STORM, FRESH),
        }
    }
}

impl Flows {
    pub fn replied(&mut self, rst: &RstSent) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.rst_seq() };
        self.send(sent, number(rst.rst_seq(), rst.rst_ack()));
        if let Some(socket) = rst.socket.filter(|_| ends_a_connection(rst)) {
            let ending = Ending { at: rst.time, seq: rst.rst_seq(), socket: socket.id };
            self.ended.push(rst.time, (rst.netns, rst.flow), ending);
        }
    }

    pub fn aborted(&mut self, rst: &ConnectionAborted) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.seq };
        self.send(sent, Some(rst.seq));
        self.aborted.push(rst.time, (rst.netns, rst.flow), rst.clone());
    }

    pub fn rejected(&mut self, rst: &PacketRejected) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.rst_seq() };
        self.send(sent, number(rst.rst_seq(), rst.rst_ack()));
    }

    fn send(&mut self, sent: Sent, number: Option<u32>) {
        let (time, to) = (sent.time, sent.flow.remote);
        if let Some(number) = number {
            self.numbered.push(time, number, (time, to));
        }
        self.sent.push(time, to, sent);
    }

    pub fn accepted(&mut self, rst: &RstReceived) {
        let ended = rst.socket.state == TcpState::CloseWait;
        let conversation = rst.conversation.clone().filter(|_| ended);
        let (at, netns, flow, seq) = (rst.time, rst.netns, rst.flow, rst.seq);
        self.accepted.push(at, flow.local, Receiver { at, netns, flow, seq, conversation });
    }

    /// Was a reset with this sequence number accepted on this flow about this time?
    pub fn received(&self, flow: Flow, seq: u32, time: Time) -> bool {
        self.accepted_by(flow.local, seq, time).any(|receiver| receiver.flow == flow)
    }

    /// Who on this host took a RST that was sent here. The receiver may know the sender by another address (a service
    /// before a back end), so it must be the only one, or match to the letter.
    pub fn receiver_of(&self, sent: &RstSent) -> Option<&Receiver> {
        let (flow, seq) = (sent.flow.reversed(), sent.rst_seq());
        let same_host =
            |receiver: &&Receiver| !flow.local.addr.is_loopback() || receiver.netns == sent.netns;
        let candidates: Vec<_> =
            self.accepted_by(flow.local, seq, sent.time).filter(same_host).collect();
        let exact = candidates.iter().find(|receiver| receiver.flow == flow);
        exact.or(candidates.first().filter(|_| candidates.len() == 1)).copied()
    }

    fn accepted_by(
        &self,
        local: Endpoint,
        seq: u32,
        time: Time,
    ) -> impl Iterator<Item = &Receiver> + use<'_> {
        let accepted = self.accepted.of(local);
        accepted
            .filter(move |receiver| receiver.seq == seq && receiver.at.distance(time) <= TRANSIT)
    }

    /// The latest end of this connection before `time`: what was left of it had answered a segment with a RST.
    pub fn ended_before(&self, netns: NetNs, flow: Flow, time: Time) -> Option<Ending> {
        self.ended.of((netns, flow)).rev().find(|ending| ending.at < time).copied()
    }

    /// Did this host itself abort this connection before `time`?
    pub fn aborted_before(
        &self,
        netns: NetNs,
        flow: Flow,
        time: Time,
    ) -> Option<&ConnectionAborted> {
        self.aborted.of((netns, flow)).rev().find(|rst| rst.time < time)
    }

    /// When the RST that arrived here left this host, and to whom, if it did. Where both ends are translated, the
    /// numbers it bears are all that is left to know it by.
    pub fn sender_of(&self, received: &RstReceived) -> Option<(Time, Endpoint)> {
        let direct = self.sender_to(received).map(|time| (time, received.flow.local));
        direct.or_else(|| self.same_number(received))
    }

    /// Had this host sent the RST that arrived here, at most translated on the way, it would be known.
    pub fn would_know_sender(&self, received: &RstReceived) -> bool {
        let since = received.time.minus(TRANSIT);
        number_received(received).is_some() && self.numbered.reaches_back_to(since)
    }

    fn same_number(&self, received: &RstReceived) -> Option<(Time, Endpoint)> {
        let translated = !received.flow.local.addr.is_loopback();
        let number = number_received(received).filter(|_| translated)?;
        // What was sent to the very peer it comes from went the other way.
        let others = self.numbered.of(number).rev().filter(|(_, to)| *to != received.flow.remote);
        let mut sent = others.filter(|(time, _)| time.distance(received.time) <= TRANSIT);
        sent.next().copied()
    }

    /// Same receiver, same sequence number, almost the same time. The sender may be known under another address and
    /// port (a back end behind a service), so with a sequence number that says nothing (0: the answer to a SYN) it
    /// must be the only one, or match to the letter.
    fn sender_to(&self, received: &RstReceived) -> Option<Time> {
        let candidates: Vec<_> = self
            .sent
            .of(received.flow.local)
            .rev()
            .filter(|sent| sent.seq == received.seq)
            .filter(|sent| sent.time.distance(received.time) <= TRANSIT)
            .filter(|sent| !received.flow.local.addr.is_loopback() || sent.netns == received.netns)
            .collect();
        let exact = candidates.iter().find(|sent| sent.flow == received.flow.reversed());
        let only = candidates.first().filter(|_| received.seq != 0 || candidates.len() == 1);
        exact.or(only).map(|sent| sent.time)
    }

    /// Was what looked like a RST from the peer data that this very socket refused right after?
    pub fn refused_instead(&self, received: &RstReceived) -> bool {
        let ended = self.ended.of((received.netns, received.flow));
        let mut same = ended.filter(|ending| ending.socket == received.socket.id);
        let since = |ending: &Ending| ending.at.since(received.time);
        same.any(|ending| ending.at >= received.time && since(ending) <= SAME_CALL)
    }
}

/// The segment met the remains of a connection, and the answer removes them (net/ipv4/tcp_ipv4.c, `tcp_v4_rcv`;
/// net/ipv4/tcp_input.c, `tcp_rcv_state_process`, which leaves a full socket in CLOSE).
fn ends_a_connection(rst: &RstSent) -> bool {
    rst.segment.flags.ack()
        && rst.socket.is_some_and(|socket| {
            socket.kind == SocketKind::TimeWait || socket.state == TcpState::Close
        })
}

/// What tells a RST from others: its sequence number, or, where that is 0, what it acknowledges.
fn number(seq: u32, ack: Acknowledged) -> Option<u32> {
    match (seq, ack) {
        (0, Acknowledged::Number(ack)) => Some(ack),
        (0, _) => None,
        (seq, _) => Some(seq),
    }
}

/// The same of one that was accepted: one that refuses a connection acknowledges the SYN, or it is not accepted.
fn number_received(rst: &RstReceived) -> Option<u32> {
    let dialled = rst.conversation.as_ref().filter(|_| rst.socket.state == TcpState::SynSent);
    number(rst.seq, rst.ack).or_else(|| Some(dialled?.snd_nxt))
}

/// Both ends of a reset are joined when their cases close, a fraction of a second later.
const FRESH: Duration = Duration::from_secs(1);

/// Resets within that time, in a storm.
const STORM: usize = 131_072;

/// How long a RST may take from one namespace of a host to another, queues included.
const TRANSIT: Duration = Duration::from_millis(100);

/// Two hooks of one and the same packet: an emulated processor was 37 ms away in between. A socket that took a real RST
/// is closed by it, and refuses no data after that.
const SAME_CALL: Duration = Duration::from_millis(100);
