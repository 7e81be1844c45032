//! What does a record of the kernel half say? Bytes in, one [`Event`] out, whatever the bytes are.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod accept_queue_overflowed;
mod connection_aborted;
mod conntrack_destroyed;
mod conntrack_invalid;
mod conversation;
mod flow;
mod handshake_ack_refused;
mod listener;
mod packet_rejected;
mod reset_reasons;
mod rst_received;
mod rst_sent;
mod segment;
#[cfg(test)]
mod sample;
mod socket;
mod task;
mod ticks;

use tcpwatch_common::wire::{Header, kind};
use zerocopy::FromBytes;

pub use reset_reasons::ResetReasons;

use crate::event::{Event, Fact};

/// Turns records into events. It knows the enum names of the kernel that wrote them.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    pub reasons: ResetReasons,
}

/// Why a record makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the record is cut short at {0} bytes")]
    Truncated(usize),
    #[error("no record is of kind {0}")]
    UnknownKind(u8),
    #[error("no IP version is {0}")]
    UnknownVersion(u8),
    #[error("no socket is of kind {0}")]
    UnknownSocketKind(u8),
}

impl Decoder {
    /// Reads one record. Bytes after it are ignored.
    pub fn decode(&self, bytes: &[u8]) -> Result<Event, Malformed> {
        let header: Header = view(bytes)?;
        Ok(match header.kind {
            kind::RST_SENT => Event::RstSent(self.rst_sent(&view(bytes)?)?),
            kind::CONNECTION_ABORTED => {
                Event::ConnectionAborted(self.connection_aborted(&view(bytes)?)?)
            }
            kind::RST_RECEIVED => Event::RstReceived(rst_received::decode(&view(bytes)?)?),
            kind::ACCEPT_QUEUE_OVERFLOWED => {
                Event::AcceptQueueOverflowed(accept_queue_overflowed::decode(&view(bytes)?)?)
            }
            kind::HANDSHAKE_ACK_REFUSED => {
                Event::HandshakeAckRefused(handshake_ack_refused::decode(&view(bytes)?)?)
            }
            kind::LISTENER_OPENED => Event::ListenerOpened(listener::decode(&view(bytes)?)?),
            kind::LISTENER_CLOSED => Event::ListenerClosed(listener::decode(&view(bytes)?)?),
            kind::CONNTRACK_DESTROYED => {
                Event::ConntrackDestroyed(conntrack_destroyed::decode(&view(bytes)?)?)
            }
            kind::PACKET_REJECTED => Event::PacketRejected(packet_rejected::decode(&view(bytes)?)?),
            kind::CONNTRACK_INVALID => {
                Event::ConntrackInvalid(conntrack_invalid::decode(&view(bytes)?)?)
            }
            other => return Err(Malformed::UnknownKind(other)),
        })
    }
}

/// What a record tells, as far as its header can be read: to count what could not be decoded.
pub fn fact_of(bytes: &[u8]) -> Option<Fact> {
    fact_of_kind(view::<Header>(bytes).ok()?.kind)
}

/// What records of a kind tell.
pub fn fact_of_kind(kind: u8) -> Option<Fact> {
    Some(match kind {
        kind::RST_SENT => Fact::RstSent,
        kind::CONNECTION_ABORTED => Fact::ConnectionAborted,
        kind::RST_RECEIVED => Fact::RstReceived,
        kind::ACCEPT_QUEUE_OVERFLOWED => Fact::AcceptQueueOverflowed,
        kind::HANDSHAKE_ACK_REFUSED => Fact::HandshakeAckRefused,
        kind::LISTENER_OPENED | kind::LISTENER_CLOSED => Fact::Listeners,
        kind::CONNTRACK_DESTROYED => Fact::ConntrackDestroyed,
        kind::PACKET_REJECTED => Fact::PacketRejected,
        kind::CONNTRACK_INVALID => Fact::ConntrackInvalid,
        _ => return None,
    })
}

/// A copy, so that the bytes may lie at any address.
fn view<T: FromBytes>(bytes: &[u8]) -> Result<T, Malformed> {
    match T::read_from_prefix(bytes) {
        Ok((record, _)) => Ok(record),
        Err(_) => Err(Malformed::Truncated(bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_cut_anywhere_is_malformed() {
        for record in sample::all() {
            for len in 0..record.len() {
                let cut = Decoder::default().decode(&record[..len]);
                assert_eq!(cut, Err(Malformed::Truncated(len)), "{record:?}");
            }
            assert!(Decoder::default().decode(&record).is_ok(), "{record:?}");
        }
    }

    #[test]
    fn any_byte_may_be_wrong_without_harm() {
        for record in sample::all() {
            for at in 0..record.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut wrong = record.clone();
                    wrong[at] = byte;
                    let _ = Decoder::default().decode(&wrong);
                }
            }
        }
    }

    #[test]
    fn a_record_may_lie_at_an_odd_address() {
        for record in sample::all() {
            let mut shifted = vec![0];
            shifted.extend(&record);
            assert_eq!(
                Decoder::default().decode(&shifted[1..]),
                Decoder::default().decode(&record)
            );
        }
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let mut record = sample::all().remove(0);
        record[14] = 99;
        assert_eq!(Decoder::default().decode(&record), Err(Malformed::UnknownKind(99)));
        assert_eq!(fact_of(&record), None);
    }

    #[test]
    fn every_kind_tells_a_fact() {
        let kinds: Vec<_> = sample::all().iter().filter_map(|record| fact_of(record)).collect();
        assert_eq!(kinds, Fact::ALL);
    }
}
