//! Which handshakes were answered with an ACK that does not fit?

use std::time::Duration;

use super::bounded::History;
use crate::event::{Flow, HandshakeAckRefused, NetNs, RstSent};

/// Wrong ACKs, for as long as the RST that answers the same packet may still be told.
pub struct Handshakes {
    refused: History<(NetNs, Flow), HandshakeAckRefused>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { refused: History::new(16_384, FRESH) }
    }
}

impl Handshakes {
    pub fn refused(&mut self, refused: &HandshakeAckRefused) {
        self.refused.push(refused.time, (refused.netns, refused.flow), refused.clone());
    }

    /// The very packet that this RST answers did not fit the handshake it belonged to.
    pub fn refused_packet(&self, rst: &RstSent) -> Option<&HandshakeAckRefused> {
        let mut of_flow = self.refused.of((rst.netns, rst.flow)).rev();
        of_flow.find(|told| told.packet == rst.packet && told.time.distance(rst.time) <= SAME_CALL)
    }
}

/// Cases close a fraction of a second later.
const FRESH: Duration = Duration::from_secs(1);

/// Two hooks of one and the same packet; an interrupted or emulated processor takes its time.
const SAME_CALL: Duration = Duration::from_millis(10);
