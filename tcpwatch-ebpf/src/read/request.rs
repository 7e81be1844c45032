//! A handshake that is not complete (include/linux/tcp.h, `struct tcp_request_sock`).

use super::Sock;
use super::layout::field;
use super::memory::{Memory, Probe};

/// Reads through the helper: of what surrounds `struct request_sock` the verifier knows nothing.
#[derive(Clone, Copy)]
pub(crate) struct Request(Memory<Probe>);

impl Request {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<Probe>) -> Self {
        Self(memory)
    }

    /// As a socket: both ends, and that it is none yet.
    #[inline(always)]
    pub(crate) fn sock(self) -> Sock<Probe> {
        Sock::new(self.0)
    }

    /// What the client's ACK must acknowledge.
    #[inline(always)]
    pub(crate) fn expected_ack(self) -> Option<u32> {
        let sent: u32 = self.0.get(field!(request_sent))?;
        Some(sent.wrapping_add(1))
    }

    /// The sequence number the client's next segment must have.
    #[inline(always)]
    pub(crate) fn expected_seq(self) -> Option<u32> {
        self.0.get(field!(request_expects))
    }
}
