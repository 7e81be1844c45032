//! The vocabulary: what happened or was found, in past tense. Nothing of ours is imported here.
//!
//! Whatever the engine consults arrived as one of these, so that a recording replays to the same verdicts.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod address;
mod cgroup;
mod conntrack;
mod conversation;
mod counters;
mod coverage;
mod endpoint;
mod handshake;
mod listener;
mod namespace;
mod owner;
mod rejection;
mod reset;
#[cfg(test)]
mod schema;
mod socket;
mod time;

use serde::{Deserialize, Serialize};

pub use cgroup::{Container, Pod, Qos, Runtime, Workload};
pub use conntrack::{
    ConntrackDestroyed, ConntrackDirection, ConntrackEntry, ConntrackInvalid, ConntrackState,
    Death, Remover, Tuple,
};
pub use conversation::Conversation;
pub use counters::{ConntrackCounters, CountersRead};
pub use coverage::{CoverageDeclared, EventsLost, Fact, HookCoverage, LossStage, Way};
pub use endpoint::{Endpoint, Flow, NetNs};
pub use handshake::HandshakeAckRefused;
pub use listener::{AcceptQueueOverflowed, Listener, ListenerChange};
pub use namespace::{HostDescribed, HostId, NamespaceDescribed, NamespaceVanished, Sysctls};
pub use owner::{Exit, NamedPod, Owner, OwnerFound, PodName, Task};
pub use rejection::{FilterHook, PacketRejected, RejectRule, RejectRulesFound};
pub use reset::{
    Acknowledged, ConnectionAborted, PacketId, RstReceived, RstSent, Segment, TcpFlags, Tracking,
};
pub use socket::{AcceptQueue, Socket, SocketFile, SocketId, SocketKind, TcpState};
pub use time::Time;

/// One thing that happened, or was found, or was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The machine and its clocks; first of every stream.
    HostDescribed(HostDescribed),
    /// What this run can see, and by which way; again whenever that changes.
    CoverageDeclared(CoverageDeclared),
    /// A network namespace was met for the first time; its [`Event::ListenerFound`] came before.
    NamespaceDescribed(NamespaceDescribed),
    /// A network namespace is gone.
    NamespaceVanished(NamespaceVanished),
    /// The kernel's own counters of one namespace.
    CountersRead(CountersRead),
    /// This host answered a segment with a RST.
    RstSent(RstSent),
    /// This host gave up a connection with a RST of its own accord.
    ConnectionAborted(ConnectionAborted),
    /// This host accepted a RST.
    RstReceived(RstReceived),
    /// The last ACK of a handshake found the accept queue full.
    AcceptQueueOverflowed(AcceptQueueOverflowed),
    /// An ACK did not fit the handshake it was meant to end.
    HandshakeAckRefused(HandshakeAckRefused),
    /// A listener was there already when its namespace was described.
    ListenerFound(ListenerChange),
    /// A socket entered LISTEN.
    ListenerOpened(ListenerChange),
    /// A socket left LISTEN.
    ListenerClosed(ListenerChange),
    /// A conntrack entry died while its connection was alive.
    ConntrackDestroyed(ConntrackDestroyed),
    /// Conntrack found fault with a packet of a translated connection.
    ConntrackInvalid(ConntrackInvalid),
    /// A firewall rule refused a packet with a RST.
    PacketRejected(PacketRejected),
    /// The rules of a namespace that refuse with a RST were listed.
    RejectRulesFound(RejectRulesFound),
    /// The process behind a socket inode was looked up.
    OwnerFound(OwnerFound),
    /// Events of one kind were lost in a span of time.
    EventsLost(EventsLost),
    /// Time passed.
    Tick { time: Time },
}

impl Event {
    /// When it happened.
    pub fn time(&self) -> Time {
        match self {
            Self::HostDescribed(e) => e.time,
            Self::CoverageDeclared(e) => e.time,
            Self::NamespaceDescribed(e) => e.time,
            Self::NamespaceVanished(e) => e.time,
            Self::CountersRead(e) => e.time,
            Self::RstSent(e) => e.time,
            Self::ConnectionAborted(e) => e.time,
            Self::RstReceived(e) => e.time,
            Self::AcceptQueueOverflowed(e) => e.time,
            Self::HandshakeAckRefused(e) => e.time,
            Self::ListenerFound(e) | Self::ListenerOpened(e) | Self::ListenerClosed(e) => e.time,
            Self::ConntrackDestroyed(e) => e.time,
            Self::ConntrackInvalid(e) => e.time,
            Self::PacketRejected(e) => e.time,
            Self::RejectRulesFound(e) => e.time,
            Self::OwnerFound(e) => e.time,
            Self::EventsLost(e) => e.until,
            Self::Tick { time } => *time,
        }
    }

    /// The kind of fact it is, if it came from a hook.
    pub fn fact(&self) -> Option<Fact> {
        match self {
            Self::RstSent(_) => Some(Fact::RstSent),
            Self::ConnectionAborted(_) => Some(Fact::ConnectionAborted),
            Self::RstReceived(_) => Some(Fact::RstReceived),
            Self::AcceptQueueOverflowed(_) => Some(Fact::AcceptQueueOverflowed),
            Self::HandshakeAckRefused(_) => Some(Fact::HandshakeAckRefused),
            Self::ListenerOpened(_) | Self::ListenerClosed(_) => Some(Fact::Listeners),
            Self::ConntrackDestroyed(_) => Some(Fact::ConntrackDestroyed),
            Self::PacketRejected(_) => Some(Fact::PacketRejected),
            Self::ConntrackInvalid(_) => Some(Fact::ConntrackInvalid),
            _ => None,
        }
    }
}
