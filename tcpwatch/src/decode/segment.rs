use tcpwatch_common::wire;

use crate::event::{Segment, TcpFlags};

pub(super) fn segment(record: &wire::Segment) -> Segment {
    Segment {
        seq: record.seq,
        ack: record.ack,
        payload: record.payload,
        flags: TcpFlags(record.tcp_flags),
        ttl: record.ttl,
    }
}
