use tcpwatch_common::wire;

use super::{Malformed, flow::flow, segment::segment, socket::socket};
use crate::event::{AcceptQueueOverflowed, NetNs, PacketId, Time};

pub(super) fn decode(
    record: &wire::AcceptQueueOverflowed,
) -> Result<AcceptQueueOverflowed, Malformed> {
    Ok(AcceptQueueOverflowed {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        flow: flow(&record.flow)?,
        listener: socket(&record.socket)?,
        segment: segment(&record.segment),
        packet: PacketId(record.segment.packet),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_listener_tells_how_full_it_was() {
        let overflow = decode(&sample::accept_queue_overflowed()).unwrap();
        let queue = overflow.listener.unwrap().accept_queue.unwrap();
        assert!(queue.is_full());
        assert_eq!(queue.to_string(), "3/2");
        assert_eq!(overflow.packet, PacketId(0xabcd));
    }

    #[test]
    fn the_listener_may_be_unknown() {
        let mut record = sample::accept_queue_overflowed();
        record.socket.kind = 0;
        assert_eq!(decode(&record).unwrap().listener, None);
    }
}
