//! What the engine concludes. Sinks turn these into bytes and never ask which cause it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::cause::Cause;
use super::mechanism::Mechanism;
use crate::event::{
    Acknowledged, Endpoint, Flow, HostDescribed, NamedPod, NetNs, Owner, TcpState, Time,
};

/// One reset, explained as far as the evidence goes.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Counts up from 1 within a run.
    pub id: u64,
    pub time: Time,
    pub netns: NetNs,
    /// The namespace as a person would call it: its name, or the command of a process in it.
    pub namespace: Option<String>,
    /// The pod that has the namespace for itself.
    pub pod: Option<NamedPod>,
    pub direction: Direction,
    pub flow: Flow,
    /// The service address the client used, where translation is known.
    pub service: Option<Endpoint>,
    /// A listener of the namespace takes connections to the local endpoint, or took them lately; `None`: not known.
    pub listens: Option<bool>,
    pub symptom: Symptom,
    /// What the application at the receiving end of the reset gets; `None`: nothing is reported to it.
    pub errno: Option<Errno>,
    pub mechanism: Mechanism,
    /// The kernel's `sk_rst_reason`, where it gives one.
    pub reason: Option<String>,
    /// State of the socket the reset came from or hit.
    pub state: Option<TcpState>,
    pub rst: RstHeader,
    pub finding: Finding,
    /// Weaker explanations that also fit.
    pub also: Vec<Explanation>,
    /// Who holds the socket (or the listener) on this host; never the current task of a reply.
    pub owner: Option<Owner>,
    pub owner_status: OwnerStatus,
    /// The other end of the same reset, when it was seen: the id of its verdict.
    pub joined: Option<u64>,
    /// Where the other end is, when that is another host.
    pub peer: Option<Arc<Peer>>,
}

/// What is known of who held the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnerStatus {
    /// The owner is named, and was there when it was looked up.
    Known,
    /// It has ended, or nobody holds the socket any more; the owner is named where it was known before.
    Gone,
    /// Somebody holds the socket, and it is not known who.
    Unknown,
    /// No process is concerned: the kernel answered by itself, or finished what a process had left to it.
    Nobody,
}

/// The other host that a reset came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub host: Arc<HostDescribed>,
    /// When it was sent, by that host's clock.
    pub time: Time,
    /// The finding is of that host: so are the times in it.
    pub explains: bool,
}

impl Verdict {
    /// The other host, where the finding is of it.
    pub fn explained_by(&self) -> Option<&Arc<Peer>> {
        self.peer.as_ref().filter(|peer| peer.explains)
    }

    /// Who holds or held the socket, to follow what it is about: `, nginx[77] in pod shop/web-0`.
    pub fn owner_phrase(&self) -> String {
        match (&self.owner, self.owner_status) {
            (Some(owner), _) => format!(", {}", owner.in_place()),
            (None, OwnerStatus::Gone) => ", no process was found to hold it".to_owned(),
            (None, _) => String::new(),
        }
    }

    /// The pod of the namespace, where the owner does not tell it already.
    pub fn untold_pod(&self) -> Option<&NamedPod> {
        let told = self.owner.as_ref().and_then(Owner::pod_name);
        self.pod.as_ref().filter(|pod| told != Some(pod.to_string()))
    }

    /// When the reset was, by the clock of the finding's evidence.
    pub fn evidence_time(&self) -> Time {
        self.explained_by().map_or(self.time, |peer| peer.time)
    }
}

/// What the header of the RST carries, as far as the hooks show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RstHeader {
    pub seq: u32,
    pub ack: Acknowledged,
    /// Time to live, or hop limit, on arrival; `None` for a RST that was sent, or received without its packet.
    pub ttl: Option<u8>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Finding {
    Explained(Arc<Explanation>),
    /// An honest end: what was not seen and would have decided.
    Unexplained {
        missing: Vec<String>,
    },
}

/// Stands for verdicts without a cause, where causes are named by code.
pub const UNEXPLAINED: &str = "unexplained";

impl Finding {
    /// The code of the cause, or [`UNEXPLAINED`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Explained(best) => best.cause.code(),
            Self::Unexplained { .. } => UNEXPLAINED,
        }
    }
}

/// A cause with its evidence and how sure we are.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub certainty: Certainty,
    pub cause: Cause,
}

/// How well a cause is known, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Several facts make it likely and nothing seen speaks against it.
    Inferred,
    /// Each link of the chain was seen.
    Observed,
    /// The kernel says so itself.
    Stated,
}

impl Certainty {
    pub fn name(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::Observed => "observed",
            Self::Stated => "stated",
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way the RST went, from this host's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Sent,
    Received,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the user calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptom {
    /// connection reset by peer
    Reset,
    /// connection refused
    Refused,
    /// connection timed out; known from logs only
    TimedOut,
    /// no route to host; known from logs only
    NoRoute,
    /// unexpected end of the stream; known from logs only
    ClosedEarly,
}

impl Symptom {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::NoRoute => "no-route",
            Self::ClosedEarly => "closed-early",
        }
    }
}

/// The error the application gets (include/uapi/asm-generic/errno.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno {
    pub name: &'static str,
    pub number: i32,
}

impl Errno {
    pub const ECONNREFUSED: Self = Self { name: "ECONNREFUSED", number: 111 };
    pub const ECONNRESET: Self = Self { name: "ECONNRESET", number: 104 };
    pub const ETIMEDOUT: Self = Self { name: "ETIMEDOUT", number: 110 };
    pub const EHOSTUNREACH: Self = Self { name: "EHOSTUNREACH", number: 113 };
    pub const EPIPE: Self = Self { name: "EPIPE", number: 32 };
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.number)
    }
}

/// One numbered line of an explanation: where it comes from, when it was, what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// One short word: `tcp`, `listener`, `conntrack`, `netfilter`, `sysctl`, `namespace`, `queue`, `process`.
    pub source: &'static str,
    /// When it was, if it was at a time of its own.
    pub at: Option<Time>,
    pub text: String,
}

impl Evidence {
    pub fn new(source: &'static str, text: impl Into<String>) -> Self {
        Self { source, at: None, text: text.into() }
    }

    pub fn at(source: &'static str, at: Time, text: impl Into<String>) -> Self {
        Self { source, at: Some(at), text: text.into() }
    }
}

/// What to do, with the live values of the right namespace. Printed, never applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    pub now: String,
    pub fix: String,
    pub trade_off: String,
    pub do_not: String,
}

/// A later fact that matters to a verdict already given.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The id of the verdict.
    pub of: u64,
    pub time: Time,
    pub explanation: Explanation,
    pub owner: Option<Owner>,
}

/// What the engine has to say after an event.
#[derive(Clone, Debug)]
pub enum Conclusion {
    Verdict(Arc<Verdict>),
    Amendment(Box<Amendment>),
}

impl Conclusion {
    /// The code of the cause, or [`UNEXPLAINED`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.finding.code(),
            Self::Amendment(amendment) => amendment.explanation.cause.code(),
        }
    }
}

/// The account of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub explained: u64,
    pub unexplained: u64,
    /// Events lost, whatever the stage.
    pub lost: u64,
    /// Verdicts per cause code.
    pub causes: BTreeMap<&'static str, u64>,
    pub namespaces: Vec<NamespaceTotals>,
    /// How the clocks of several hosts stand to each other.
    pub skews: Vec<Skew>,
}

impl Totals {
    /// Takes in the account of another stream. What is of the same namespace adds up.
    pub fn add(&mut self, other: Self) {
        self.explained += other.explained;
        self.unexplained += other.unexplained;
        self.lost = self.lost.saturating_add(other.lost);
        for (code, count) in other.causes {
            *self.causes.entry(code).or_default() += count;
        }
        for namespace in other.namespaces {
            match self.namespaces.iter_mut().find(|known| known.can_take(&namespace)) {
                Some(known) => known.add(&namespace),
                None => self.namespaces.push(namespace),
            }
        }
        self.skews.extend(other.skews);
    }
}

/// How far one clock stands from another, as resets that crossed between them tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skew {
    pub host: String,
    pub reference: String,
    /// By so many nanoseconds the clock of `host` is ahead of that of `reference`; negative: behind. Time on the way
    /// is in it where all resets went the same way.
    pub ahead_ns: i64,
    /// Resets that were seen at both ends.
    pub resets: u64,
}

/// One namespace against the kernel's own counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamespaceTotals {
    /// Where there are several.
    pub host: Option<String>,
    pub netns: NetNs,
    pub name: Option<String>,
    /// Resets seen to leave it.
    pub sent: u64,
    /// Growth of the kernel's `OutRsts`; `None`: the namespace was gone before it could be read.
    pub out_rsts: Option<u64>,
    /// `OutRsts` minus seen; 0 is a perfect account.
    pub difference: Option<i64>,
}

impl NamespaceTotals {
    /// A known account and an unknown one stay apart: their sum would be neither.
    fn can_take(&self, other: &Self) -> bool {
        (&self.host, self.netns, &self.name) == (&other.host, other.netns, &other.name)
            && self.difference.is_some() == other.difference.is_some()
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        let (out_rsts, difference) = (other.out_rsts, other.difference);
        self.out_rsts = self.out_rsts.zip(out_rsts).map(|(one, other)| one.saturating_add(other));
        self.difference =
            self.difference.zip(difference).map(|(one, other)| one.saturating_add(other));
    }
}
