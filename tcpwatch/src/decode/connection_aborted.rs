use tcpwatch_common::wire;

use super::{Decoder, Malformed, flow::flow, socket::required, task::task};
use crate::event::{Acknowledged, ConnectionAborted, NetNs, Time};

impl Decoder {
    pub(super) fn connection_aborted(
        &self,
        record: &wire::ConnectionAborted,
    ) -> Result<ConnectionAborted, Malformed> {
        Ok(ConnectionAborted {
            time: Time(record.header.time),
            netns: NetNs(record.header.netns),
            flow: flow(&record.flow)?,
            socket: required(&record.socket)?,
            seq: record.seq,
            ack: Acknowledged::Number(record.ack),
            unread: unread(record.unread),
            reason: self.reasons.name(record.reason),
            user_timeout: record.user_timeout,
            probes: record.probes,
            task: task(&record.task),
        })
    }
}

/// A difference of sequence numbers: what looks negative is nothing.
fn unread(difference: u32) -> u32 {
    if difference.cast_signed() < 0 { 0 } else { difference }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_close_with_unread_data() {
        let record = sample::connection_aborted();
        let aborted = Decoder::default().connection_aborted(&record).unwrap();
        assert_eq!(aborted.flow.local.to_string(), "10.0.0.1:80");
        assert_eq!((aborted.unread, aborted.seq), (17, 300));
        assert_eq!(aborted.ack, Acknowledged::Number(350));
        assert_eq!((aborted.user_timeout, aborted.probes), (30_000, 2));
        assert_eq!(aborted.task.command, "nginx");
    }

    #[test]
    fn sequence_numbers_may_run_backwards() {
        assert_eq!(unread(u32::MAX), 0);
        assert_eq!(unread(1 << 30), 1 << 30);
    }

    #[test]
    fn there_must_be_a_socket() {
        let mut record = sample::connection_aborted();
        record.socket.kind = 0;
        assert!(Decoder::default().connection_aborted(&record).is_err());
    }
}
