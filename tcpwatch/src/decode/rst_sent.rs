use std::time::Duration;

use tcpwatch_common::wire::{self, socket_kind};

use super::{
    Decoder, Malformed,
    conversation::{conversation, span},
    flow::flow,
    segment::segment,
    socket::socket,
};
use crate::event::{NetNs, PacketId, RstSent, TcpState, Time, Tracking};

impl Decoder {
    pub(super) fn rst_sent(&self, record: &wire::RstSent) -> Result<RstSent, Malformed> {
        Ok(RstSent {
            time: Time(record.header.time),
            netns: NetNs(record.header.netns),
            flow: flow(&record.flow)?,
            socket: socket(&record.socket)?,
            segment: segment(&record.segment),
            packet: PacketId(record.segment.packet),
            reason: self.reasons.name(record.reason),
            tracking: tracking(record.tracked, record.ctinfo),
            conversation: conversation(&record.conversation, &record.socket),
            ended_ago: ended_ago(record),
            cookies_ago: cookies_ago(record),
            retransmits: record.retransmits,
        })
    }
}

/// A TIME_WAIT socket hears nothing more but the acknowledgement of its FIN.
fn ended_ago(record: &wire::RstSent) -> Option<Duration> {
    let is_left_over = record.socket.kind == socket_kind::TIME_WAIT;
    span(record.conversation.heard_ago).filter(|_| is_left_over)
}

/// A listener sends nothing of its own but cookies.
fn cookies_ago(record: &wire::RstSent) -> Option<Duration> {
    let listens = TcpState::from_kernel(record.socket.state) == TcpState::Listen;
    span(record.conversation.transmitted_ago).filter(|_| listens)
}

/// `enum ip_conntrack_info` (include/uapi/linux/netfilter/nf_conntrack_common.h): direction is added to it.
fn tracking(tracked: u8, ctinfo: u8) -> Tracking {
    match (tracked, ctinfo) {
        (0, _) => Tracking::None,
        (_, 0 | 3) => Tracking::Established,
        (_, 1 | 4) => Tracking::Related,
        (_, 2) => Tracking::New,
        (_, 7) => Tracking::Untracked,
        _ => Tracking::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ResetReasons, sample};
    use super::*;

    fn decode(record: &wire::RstSent) -> RstSent {
        let reasons = ResetReasons::from_enum([("SK_RST_REASON_TCP_FLAGS".to_owned(), 6)]);
        Decoder { reasons }.rst_sent(record).unwrap()
    }

    #[test]
    fn a_segment_that_met_a_listener() {
        let rst = decode(&sample::rst_sent());
        assert_eq!(rst.time, Time(1_000));
        assert_eq!(rst.netns, NetNs(4_026_531_840));
        assert_eq!(rst.flow.remote.to_string(), "10.0.0.2:50000");
        assert_eq!((rst.segment.seq, rst.segment.ack, rst.segment.payload), (100, 200, 7));
        assert!(rst.segment.flags.ack() && !rst.segment.flags.syn());
        assert_eq!(rst.segment.ttl, 64);
        assert_eq!(rst.reason.as_deref(), Some("TCP_FLAGS"));
        assert_eq!(rst.socket.unwrap().accept_queue.unwrap().len, 3);
        assert_eq!(rst.tracking, Tracking::New);
    }

    #[test]
    fn what_is_left_of_a_connection_knows_only_its_end() {
        let mut record = sample::rst_sent();
        assert_eq!(decode(&record).ended_ago, None);
        assert_eq!(decode(&record).cookies_ago, Some(Duration::from_secs(2)));
        record.socket = wire::Socket { kind: socket_kind::TIME_WAIT, state: 6, ..record.socket };
        record.conversation.received_ago = wire::UNKNOWN;
        let rst = decode(&record);
        assert_eq!((rst.ended_ago, rst.conversation), (Some(Duration::from_secs(1)), None));
    }

    #[test]
    fn older_kernels_give_no_reason() {
        assert_eq!(decode(&wire::RstSent { reason: -1, ..sample::rst_sent() }).reason, None);
    }

    #[test]
    fn the_direction_of_tracking_is_dropped() {
        use Tracking::{Established, New, None, Related, Untracked};
        let all = [0, 1, 2, 3, 4, 7, 5].map(|ctinfo| tracking(1, ctinfo));
        assert_eq!(all, [Established, Related, New, Established, Related, Untracked, None]);
        assert_eq!(tracking(0, 2), None);
    }
}
