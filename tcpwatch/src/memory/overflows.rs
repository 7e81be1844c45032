//! Which handshakes lost their last ACK to a full accept queue?

use std::time::Duration;

use super::bounded::History;
use crate::event::{AcceptQueue, AcceptQueueOverflowed, Flow, NetNs, PacketId, Time};

/// Overflows by connection.
pub struct Overflows {
    by_flow: History<(NetNs, Flow), Overflow>,
}

/// The drops one handshake suffered: the client repeats its ACK, the kernel its SYN+ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    pub first: Time,
    pub last: Time,
    pub drops: u32,
    /// At the last drop; `None` where the hook shows no socket.
    pub queue: Option<AcceptQueue>,
    pub packet: PacketId,
    /// Acknowledgement number of the ACK that was dropped: where the handshake ended.
    pub ack: u32,
}

impl Default for Overflows {
    fn default() -> Self {
        Self { by_flow: History::with_capacity(32_768) }
    }
}

impl Overflows {
    pub fn overflowed(&mut self, event: &AcceptQueueOverflowed) {
        let key = (event.netns, event.flow);
        match self.by_flow.latest_mut(&key).filter(|known| known.is_same_handshake(event)) {
            Some(known) => known.again(event),
            None => self.by_flow.push(event.time, key, Overflow::first(event)),
        }
    }

    /// The latest overflow of a connection at or before `until`.
    pub fn of(&self, netns: NetNs, flow: Flow, until: Time) -> Option<&Overflow> {
        self.by_flow.of((netns, flow)).rev().find(|overflow| overflow.first <= until)
    }
}

impl Overflow {
    fn first(event: &AcceptQueueOverflowed) -> Self {
        Self {
            first: event.time,
            last: event.time,
            drops: 1,
            queue: event.queue(),
            packet: event.packet,
            ack: event.segment.ack,
        }
    }

    fn again(&mut self, event: &AcceptQueueOverflowed) {
        self.last = event.time;
        self.drops += 1;
        self.queue = event.queue().or(self.queue);
        self.packet = event.packet;
    }

    fn is_same_handshake(&self, event: &AcceptQueueOverflowed) -> bool {
        self.ack == event.segment.ack && event.time.since(self.last) < HANDSHAKE
    }
}

/// How long a handshake can last: `tcp_synack_retries` 5 gives 63 s; beyond this it is another one.
const HANDSHAKE: Duration = Duration::from_mins(3);
