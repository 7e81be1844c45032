//! Which resets did this host send and accept, and for which connections?

use std::time::Duration;

use super::bounded::History;
use crate::event::{
    ConnectionAborted, Conversation, Endpoint, Flow, NetNs, PacketRejected, RstReceived, RstSent,
    SocketKind, TcpState, Time,
};

/// Resets sent and resets accepted, by the endpoint they went to; and connections that ended with one.
pub struct Flows {
    sent: History<Endpoint, Sent>,
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
}

/// Who took a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    pub at: Time,
    pub netns: NetNs,
    pub flow: Flow,
    seq: u32,
    /// As it was before.
    pub state: TcpState,
    pub conversation: Option<Conversation>,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            sent: History::new(STORM, FRESH),
            aborted: History::with_capacity(16_384),
            ended: History::with_capacity(16_384),
            accepted: History::new(STORM, FRESH),
        }
    }
}

impl Flows {
    pub fn replied(&mut self, rst: &RstSent) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.rst_seq() };
        self.sent.push(rst.time, rst.flow.remote, sent);
        if ends_a_connection(rst) {
            let ending = Ending { at: rst.time, seq: rst.rst_seq() };
            self.ended.push(rst.time, (rst.netns, rst.flow), ending);
        }
    }

    pub fn aborted(&mut self, rst: &ConnectionAborted) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.seq };
        self.sent.push(rst.time, rst.flow.remote, sent);
        self.aborted.push(rst.time, (rst.netns, rst.flow), rst.clone());
    }

    pub fn rejected(&mut self, rst: &PacketRejected) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.rst_seq() };
        self.sent.push(rst.time, rst.flow.remote, sent);
    }

    pub fn accepted(&mut self, rst: &RstReceived) {
        let receiver = Receiver {
            at: rst.time,
            netns: rst.netns,
            flow: rst.flow,
            seq: rst.seq,
            state: rst.socket.state,
            conversation: rst.conversation,
        };
        self.accepted.push(rst.time, rst.flow.local, receiver);
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

    /// When the RST that arrived here left this host, if it did: same receiver, same sequence number, almost the same
    /// time. The sender may be known under another address and port (a back end behind a service), so with a sequence
    /// number that says nothing (0: the answer to a SYN) it must be the only one, or match to the letter.
    pub fn sender_of(&self, received: &RstReceived) -> Option<Time> {
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

    /// Was a RST sent on this very flow right after `time`?
    pub fn replied_right_after(&self, netns: NetNs, flow: Flow, time: Time) -> bool {
        self.sent
            .of(flow.remote)
            .filter(|sent| sent.netns == netns && sent.flow == flow)
            .any(|sent| sent.time >= time && sent.time.since(time) <= SAME_CALL)
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

/// Both ends of a reset are joined when their cases close, a fraction of a second later.
const FRESH: Duration = Duration::from_secs(1);

/// Resets within that time, in a storm.
const STORM: usize = 131_072;

/// How long a RST may take from one namespace of a host to another, queues included.
const TRANSIT: Duration = Duration::from_millis(100);

/// Two hooks of one and the same packet.
const SAME_CALL: Duration = Duration::from_millis(1);
