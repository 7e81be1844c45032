//! One record of each kind, as the hooks write them.

use tcpwatch_common::wire::{
    AcceptQueueOverflowed, Address, ConnectionAborted, ConntrackDestroyed, ConntrackInvalid,
    Conversation, DeviceName, Flow, HandshakeAckRefused, Header, Listener, PacketRejected,
    RstReceived, RstSent, Segment, Socket, Task, Tuple, abort_flag, kind, socket_file, socket_flag,
    socket_kind, way,
};
use zerocopy::IntoBytes;

use crate::event::Time;

pub(super) fn all() -> Vec<Vec<u8>> {
    vec![
        rst_sent().as_bytes().to_vec(),
        connection_aborted().as_bytes().to_vec(),
        rst_received().as_bytes().to_vec(),
        accept_queue_overflowed().as_bytes().to_vec(),
        handshake_ack_refused().as_bytes().to_vec(),
        listener_opened().as_bytes().to_vec(),
        conntrack_destroyed().as_bytes().to_vec(),
        packet_rejected().as_bytes().to_vec(),
        conntrack_invalid().as_bytes().to_vec(),
    ]
}

pub(super) fn rst_sent() -> RstSent {
    RstSent {
        header: header(kind::RST_SENT),
        flow: flow(),
        socket: listener(),
        segment: segment(),
        reason: 6,
        tracked: 1,
        ctinfo: 2,
        retransmits: 0,
        pad: 0,
        conversation: conversation(),
    }
}

fn segment() -> Segment {
    Segment {
        packet: 0xabcd,
        seq: 100,
        ack: 200,
        payload: 7,
        tcp_flags: 0x10,
        ttl: 64,
        pad: [0; 2],
    }
}

/// Up for 1000 seconds at 250 ticks each, two seconds after the last ACK.
pub(super) fn connection_aborted() -> ConnectionAborted {
    ConnectionAborted {
        header: Header { time: 1000 * 1_000_000_000, ..header(kind::CONNECTION_ABORTED) },
        flow: flow(),
        socket: Socket { state: 7, ..listener() },
        seq: 300,
        unread: 17,
        reason: 11,
        user_timeout: 30_000,
        ack: 350,
        probes: 2,
        file: socket_file::RELEASED,
        flags: abort_flag::LOCKED | abort_flag::FIN_RECEIVED,
        silent: 500,
        jiffies: 700 * 250,
        task: task(),
    }
}

pub(super) fn rst_received() -> RstReceived {
    RstReceived {
        header: header(kind::RST_RECEIVED),
        flow: flow(),
        socket: Socket { state: 1, ..listener() },
        seq: 400,
        ack: 450,
        ttl: 63,
        has_packet: 1,
        tcp_flags: 0x14,
        data_ttl: 0,
        conversation: conversation(),
        pad: [0; 4],
    }
}

pub(super) fn accept_queue_overflowed() -> AcceptQueueOverflowed {
    AcceptQueueOverflowed {
        header: header(kind::ACCEPT_QUEUE_OVERFLOWED),
        flow: flow(),
        socket: listener(),
        segment: segment(),
    }
}

/// Idle for a minute; the end was acknowledged a second ago, ten bytes are not.
pub(super) fn conversation() -> Conversation {
    Conversation {
        received_ago: 61_000,
        sent_ago: 60_000,
        heard_ago: 1_000,
        transmitted_ago: 2_000,
        received: 120,
        sent: 4096,
        snd_una: 290,
        snd_nxt: 300,
    }
}

pub(super) fn handshake_ack_refused() -> HandshakeAckRefused {
    HandshakeAckRefused {
        header: header(kind::HANDSHAKE_ACK_REFUSED),
        flow: flow(),
        segment: segment(),
        expected: 500,
        pad: [0; 4],
    }
}

pub(super) fn listener_opened() -> Listener {
    Listener {
        header: header(kind::LISTENER_OPENED),
        local: [0; 4],
        port: 8080,
        version: 6,
        v6only: 0,
        pad: [0; 4],
        socket: Socket { state: 7, ..listener() },
        task: task(),
    }
}

/// Up for 1000 seconds at 250 ticks each, with 60 seconds left.
pub(super) fn conntrack_destroyed() -> ConntrackDestroyed {
    ConntrackDestroyed {
        header: Header { time: 1000 * 1_000_000_000, ..header(kind::CONNTRACK_DESTROYED) },
        original: tuple([10, 0, 0, 2], [10, 96, 0, 1], 50_000, 80),
        reply: tuple([10, 0, 0, 1], [10, 0, 0, 2], 8080, 50_000),
        jiffies: (1 << 32) + 700 * 250,
        timeout: 760 * 250,
        status: 0x0e,
        tcp_state: 3,
        evicted: 0,
        zone: 7,
        pad: [0; 4],
        task: task(),
    }
}

/// On its way through.
pub(super) fn packet_rejected() -> PacketRejected {
    PacketRejected {
        header: header(kind::PACKET_REJECTED),
        flow: flow(),
        segment: segment(),
        input: device(*b"eth0\0\0\0\0\0\0\0\0\0\0\0\0"),
        output: device(*b"a-device-of-15-\0"),
        hook: 2,
        pad: [0; 7],
    }
}

/// A packet of the back end.
pub(super) fn conntrack_invalid() -> ConntrackInvalid {
    ConntrackInvalid {
        header: header(kind::CONNTRACK_INVALID),
        original: tuple([10, 0, 0, 2], [10, 96, 0, 1], 50_000, 80),
        reply: tuple([10, 0, 0, 1], [10, 0, 0, 2], 80, 50_000),
        segment: segment(),
        zone: 7,
        tcp_state: 3,
        ctinfo: 3,
        pad: [0; 4],
    }
}

fn tuple(source: [u8; 4], destination: [u8; 4], source_port: u16, destination_port: u16) -> Tuple {
    Tuple {
        source: v4(source),
        destination: v4(destination),
        source_port,
        destination_port,
        version: 4,
        pad: [0; 3],
    }
}

fn device(name: [u8; 16]) -> DeviceName {
    let (words, _) = name.as_chunks::<4>();
    std::array::from_fn(|at| u32::from_ne_bytes(words[at]))
}

/// Uptime in seconds, and the low half of the tick counter of a kernel with that many ticks per second.
#[expect(clippy::cast_possible_truncation, reason = "half of the counter is asked for")]
pub(super) fn clock(seconds: u64, hz: u64) -> (Time, u32) {
    (Time(seconds * 1_000_000_000), ((1 << 32) + seconds * hz - 300 * hz) as u32)
}

pub(super) fn flow() -> Flow {
    Flow {
        local: v4([10, 0, 0, 1]),
        remote: v4([10, 0, 0, 2]),
        local_port: 80,
        remote_port: 50_000,
        version: 4,
        pad: [0; 3],
    }
}

pub(super) fn listener() -> Socket {
    Socket {
        id: 0xffff_8880_0000_1000,
        cgroup: 0,
        inode: 4711,
        accept_len: 3,
        accept_limit: 2,
        syn_len: 5,
        state: 10,
        kind: socket_kind::FULL,
        flags: socket_flag::OWNED,
        substate: 0,
    }
}

pub(super) fn task() -> Task {
    Task { pid: 42, flags: 0, exit_code: 0, uid: 1000, comm: *b"nginx\0\0\0\0\0\0\0\0\0\0\0" }
}

fn header(kind: u8) -> Header {
    Header { time: 1_000, netns: 4_026_531_840, cpu: 1, kind, way: way::FENTRY }
}

fn v4(bytes: [u8; 4]) -> Address {
    [u32::from_ne_bytes(bytes), 0, 0, 0]
}
