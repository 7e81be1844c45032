use tcpwatch_common::wire::{self, abort_flag, socket_file};

use super::{Decoder, Malformed, flow::flow, socket::required, task::task, ticks};
use crate::event::{Acknowledged, ConnectionAborted, NetNs, SocketFile, Task, TcpState, Time};

impl Decoder {
    pub(super) fn connection_aborted(
        &self,
        record: &wire::ConnectionAborted,
    ) -> Result<ConnectionAborted, Malformed> {
        let flag = |flag| record.flags & flag != 0;
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
            task: Task { oom_victim: flag(abort_flag::OOM_VICTIM), ..task(&record.task) },
            locked: flag(abort_flag::LOCKED),
            file: file(record.file),
            fin_received: flag(abort_flag::FIN_RECEIVED),
            unacknowledged: flag(abort_flag::UNACKED),
            linger2_negative: flag(abort_flag::LINGER2_NEGATIVE),
            mptcp: flag(abort_flag::MPTCP),
            memory_exceeded: flag(abort_flag::MEMORY_EXCEEDED),
            silence: silence(record),
            owner: None,
        })
    }
}

/// Milliseconds. The timers of a socket that is closed are not read.
fn silence(record: &wire::ConnectionAborted) -> Option<u32> {
    let in_use = TcpState::from_kernel(record.socket.state) != TcpState::Close;
    let span = in_use.then(|| ticks::span(record.silent, Time(record.header.time), record.jiffies));
    span.map(|span| u32::try_from(span.as_millis()).unwrap_or(u32::MAX))
}

fn file(number: u8) -> SocketFile {
    match number {
        socket_file::NONE => SocketFile::None,
        socket_file::OPEN => SocketFile::Open,
        socket_file::RELEASED => SocketFile::Released,
        _ => SocketFile::Unknown,
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
        assert_eq!(aborted.file, SocketFile::Released);
        assert_eq!((aborted.locked, aborted.fin_received), (true, true));
        assert!(!aborted.unacknowledged && !aborted.linger2_negative && !aborted.mptcp);
        assert!(!aborted.memory_exceeded && !aborted.task.oom_victim);
        assert_eq!(aborted.silence, None, "not read of a closed socket");
    }

    #[test]
    fn a_peer_that_fell_silent() {
        let mut record = sample::connection_aborted();
        record.socket.state = 1;
        let aborted = Decoder::default().connection_aborted(&record).unwrap();
        assert_eq!(aborted.silence, Some(2000));
    }

    #[test]
    fn each_flag_has_its_own_bit() {
        let mut record = sample::connection_aborted();
        let aborted = |record: &_| Decoder::default().connection_aborted(record).unwrap();
        record.flags = abort_flag::UNACKED | abort_flag::MPTCP | abort_flag::OOM_VICTIM;
        let some = aborted(&record);
        assert!(some.unacknowledged && some.mptcp && some.task.oom_victim);
        assert!(!some.locked && !some.linger2_negative && !some.memory_exceeded);
        record.flags = abort_flag::LINGER2_NEGATIVE | abort_flag::MEMORY_EXCEEDED;
        let others = aborted(&record);
        assert!(others.linger2_negative && others.memory_exceeded && !others.fin_received);
    }

    #[test]
    fn what_became_of_the_file() {
        assert_eq!(file(socket_file::OPEN), SocketFile::Open);
        assert_eq!(file(socket_file::NONE), SocketFile::None);
        assert_eq!(file(socket_file::UNKNOWN), SocketFile::Unknown);
        assert_eq!(file(99), SocketFile::Unknown);
    }

    #[test]
    fn a_recording_of_before_tells_less() {
        let record = sample::connection_aborted();
        let now = Decoder::default().connection_aborted(&record).unwrap();
        let mut told = serde_json::to_value(&now).unwrap();
        let fields = told.as_object_mut().unwrap();
        for name in ["locked", "file", "fin_received", "unacknowledged", "linger2_negative"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        for name in ["mptcp", "memory_exceeded", "silence"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        let before: ConnectionAborted = serde_json::from_value(told).unwrap();
        assert_eq!((before.file, before.doer()), (SocketFile::Unknown, None));
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
