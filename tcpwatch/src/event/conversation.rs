use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far a connection had come, as its socket told when the reset was sent or accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conversation {
    /// Since data last arrived; where none did, since the connection was made.
    pub received_ago: Duration,
    /// Since data was last sent; where none was, since the connection was made.
    pub sent_ago: Duration,
    /// Since anything last arrived that was in order: data, an acknowledgement, the peer's FIN.
    pub heard_ago: Duration,
    /// Since any segment was last sent: after data, the FIN.
    pub transmitted_ago: Duration,
    /// Bytes of data taken in order; more than 4 GiB are told as 4 GiB.
    pub received: u32,
    /// Bytes of data sent, repetitions too; more than 4 GiB are told as 4 GiB.
    pub sent: u32,
    /// The first sequence number that was not acknowledged.
    pub snd_una: u32,
    /// The next sequence number to be sent.
    pub snd_nxt: u32,
}

impl Conversation {
    /// Sequence numbers sent and not acknowledged; SYN and FIN count as one each.
    pub fn unacknowledged(&self) -> u32 {
        self.snd_nxt.wrapping_sub(self.snd_una)
    }

    /// Since data last went either way.
    pub fn idle(&self) -> Duration {
        self.received_ago.min(self.sent_ago)
    }

    /// Data had gone both ways.
    pub fn went_both_ways(&self) -> bool {
        self.received > 0 && self.sent > 0
    }
}
