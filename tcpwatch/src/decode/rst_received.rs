use tcpwatch_common::wire;

use super::{Malformed, conversation::conversation, flow::flow, socket::required};
use crate::event::{Acknowledged, NetNs, RstReceived, TcpFlags, Time};

pub(super) fn decode(record: &wire::RstReceived) -> Result<RstReceived, Malformed> {
    Ok(RstReceived {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        flow: flow(&record.flow)?,
        socket: required(&record.socket)?,
        seq: record.seq,
        ack: acknowledged(record),
        ttl: (record.has_packet != 0).then_some(record.ttl),
        data_ttl: (record.data_ttl != 0).then_some(record.data_ttl),
        conversation: conversation(&record.conversation, &record.socket),
    })
}

fn acknowledged(record: &wire::RstReceived) -> Acknowledged {
    match (record.has_packet, TcpFlags(record.tcp_flags).ack()) {
        (0, _) => Acknowledged::Unseen,
        (_, true) => Acknowledged::Number(record.ack),
        (_, false) => Acknowledged::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn with_a_packet_there_is_a_ttl() {
        let rst = decode(&sample::rst_received()).unwrap();
        assert_eq!((rst.seq, rst.ttl), (400, Some(63)));
        assert_eq!(rst.ack, Acknowledged::Number(450));
        assert_eq!(rst.socket.state.name(), "ESTABLISHED");
    }

    #[test]
    fn without_a_packet_there_is_none() {
        let record = wire::RstReceived { has_packet: 0, ttl: 0, ..sample::rst_received() };
        let rst = decode(&record).unwrap();
        assert_eq!((rst.ttl, rst.ack), (None, Acknowledged::Unseen));
    }

    #[test]
    fn without_the_flag_the_number_means_nothing() {
        let record = wire::RstReceived { tcp_flags: 0x04, ..sample::rst_received() };
        assert_eq!(decode(&record).unwrap().ack, Acknowledged::Nothing);
    }
}
