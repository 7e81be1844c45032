//! Which resets did this host send and accept, and for which connections?

use std::time::Duration;

use super::bounded::History;
use crate::event::{
    ConnectionAborted, Endpoint, Flow, NetNs, PacketRejected, RstReceived, RstSent, Time,
};

/// Resets sent, by the endpoint they went to, and resets accepted.
pub struct Flows {
    sent: History<Endpoint, Sent>,
    aborted: History<(NetNs, Flow), ConnectionAborted>,
    /// Resets accepted here, by flow: sequence number and time.
    accepted: History<Flow, (u32, Time)>,
}

struct Sent {
    time: Time,
    netns: NetNs,
    flow: Flow,
    seq: u32,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            sent: History::new(STORM, FRESH),
            aborted: History::with_capacity(16_384),
            accepted: History::new(STORM, FRESH),
        }
    }
}

impl Flows {
    pub fn replied(&mut self, rst: &RstSent) {
        let sent = Sent { time: rst.time, netns: rst.netns, flow: rst.flow, seq: rst.rst_seq() };
        self.sent.push(rst.time, rst.flow.remote, sent);
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
        self.accepted.push(rst.time, rst.flow, (rst.seq, rst.time));
    }

    /// Was a reset with this sequence number accepted on this flow about this time?
    pub fn received(&self, flow: Flow, seq: u32, time: Time) -> bool {
        let mut accepted = self.accepted.of(flow);
        accepted.any(|(got, at)| *got == seq && at.distance(time) <= TRANSIT)
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

/// Both ends of a reset are joined when their cases close, a fraction of a second later.
const FRESH: Duration = Duration::from_secs(1);

/// Resets within that time, in a storm.
const STORM: usize = 131_072;

/// How long a RST may take from one namespace of a host to another, queues included.
const TRANSIT: Duration = Duration::from_millis(100);

/// Two hooks of one and the same packet.
const SAME_CALL: Duration = Duration::from_millis(1);
