use std::fmt;

use serde::{Deserialize, Serialize};

use super::Time;

/// What this run can see. The latest declaration counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoverageDeclared {
    pub time: Time,
    pub hooks: Vec<HookCoverage>,
}

/// One row of the hook table, as it turned out on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HookCoverage {
    pub fact: Fact,
    /// The kernel function, tracepoint or netlink group: what one greps for.
    pub hook: String,
    /// `None`: no way worked.
    pub way: Option<Way>,
    /// Better ways that failed, best first, and helpers that could not be attached, each with its reason.
    pub failed: Vec<String>,
    /// What can no longer be told, as a sentence; empty when all can.
    pub blind: String,
    /// The kernel has not loaded the code that does it: there is nothing to be seen, and it is watched for.
    #[serde(default)]
    pub idle: bool,
}

/// Kinds of facts a hook tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    RstSent,
    ConnectionAborted,
    RstReceived,
    AcceptQueueOverflowed,
    HandshakeAckRefused,
    Listeners,
    ConntrackDestroyed,
    PacketRejected,
    ConntrackInvalid,
}

impl Fact {
    pub const ALL: [Self; 9] = [
        Self::RstSent,
        Self::ConnectionAborted,
        Self::RstReceived,
        Self::AcceptQueueOverflowed,
        Self::HandshakeAckRefused,
        Self::Listeners,
        Self::ConntrackDestroyed,
        Self::PacketRejected,
        Self::ConntrackInvalid,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::RstSent => "resets sent",
            Self::ConnectionAborted => "connections aborted",
            Self::RstReceived => "resets received",
            Self::AcceptQueueOverflowed => "accept-queue overflows",
            Self::HandshakeAckRefused => "handshake ACKs refused",
            Self::Listeners => "listeners",
            Self::ConntrackDestroyed => "conntrack entries destroyed",
            Self::PacketRejected => "packets rejected",
            Self::ConntrackInvalid => "packets invalid to conntrack",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a hook is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Fentry,
    Kprobe,
    Tracepoint,
    Netlink,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::Netlink => "netlink",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Events of one kind were lost somewhere in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventsLost {
    pub since: Time,
    pub until: Time,
    pub fact: Fact,
    /// 0: nobody knows whether there were any, and absence proves nothing all the same.
    pub count: u64,
    pub stage: LossStage,
}

/// Where events are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LossStage {
    /// The ring buffer was full.
    Ring,
    /// The hook could not read what it needs.
    Unreadable,
    /// The record made no sense to the decoder.
    Malformed,
    /// It came after its time had been dealt with.
    Late,
    /// The netlink socket overran.
    Netlink,
    /// The hook was passed over: on that processor it, or another of its kind, was running already.
    Nested,
    /// Between the run and its recording: the disk did not keep up, or the recording is damaged there (then a lower
    /// bound). The run itself saw them.
    Recording,
}
