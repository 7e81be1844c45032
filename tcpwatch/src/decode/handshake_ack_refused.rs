use tcpwatch_common::wire;

use super::{Malformed, flow::flow, segment::segment};
use crate::event::{HandshakeAckRefused, NetNs, PacketId, Time};

pub(super) fn decode(record: &wire::HandshakeAckRefused) -> Result<HandshakeAckRefused, Malformed> {
    Ok(HandshakeAckRefused {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        flow: flow(&record.flow)?,
        segment: segment(&record.segment),
        packet: PacketId(record.segment.packet),
        expected: record.expected,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn both_numbers_are_told() {
        let refused = decode(&sample::handshake_ack_refused()).unwrap();
        assert_eq!((refused.segment.ack, refused.expected), (200, 500));
        assert_eq!(refused.packet, PacketId(0xabcd));
    }
}
