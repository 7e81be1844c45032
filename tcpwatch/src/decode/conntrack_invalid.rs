use tcpwatch_common::wire;

use super::{Malformed, flow::tuple, segment::segment};
use crate::event::{
    ConntrackDirection, ConntrackEntry, ConntrackInvalid, ConntrackState, NetNs, PacketId, Time,
};

pub(super) fn decode(record: &wire::ConntrackInvalid) -> Result<ConntrackInvalid, Malformed> {
    let (original, reply) = (tuple(&record.original)?, tuple(&record.reply)?);
    Ok(ConntrackInvalid {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        entry: ConntrackEntry { original, reply, zone: record.zone },
        state: ConntrackState::from_kernel(record.tcp_state),
        direction: direction(record.ctinfo),
        segment: segment(&record.segment),
        packet: PacketId(record.segment.packet),
    })
}

fn direction(ctinfo: u8) -> ConntrackDirection {
    if ctinfo >= IP_CT_IS_REPLY { ConntrackDirection::Reply } else { ConntrackDirection::Original }
}

/// include/uapi/linux/netfilter/nf_conntrack_common.h, `enum ip_conntrack_info`.
const IP_CT_IS_REPLY: u8 = 3;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_direction_says_which_headers_the_packet_has() {
        let mut record = sample::conntrack_invalid();
        let invalid = decode(&record).unwrap();
        assert_eq!(invalid.headers().to_string(), "10.0.0.1:80 -> 10.0.0.2:50000");
        assert_eq!((invalid.entry.zone, invalid.segment.seq), (7, 100));
        record.ctinfo = 0;
        let invalid = decode(&record).unwrap();
        assert_eq!(invalid.headers().to_string(), "10.0.0.2:50000 -> 10.96.0.1:80");
    }
}
