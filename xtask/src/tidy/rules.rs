//! The rooms of `tcpwatch` and who may know whom: the one place where this is written down.

/// The modules of `tcpwatch/src/lib.rs` in the order of its `mod` lines. A room may import only rooms below it.
pub(crate) const ROOMS: &[&str] = &[
    "cli",
    "command",
    "session",
    "source",
    "recording",
    "decode",
    "timeline",
    "sink",
    "engine",
    "explain",
    "memory",
    "event",
];

/// Below is not always near: files under `.0` may not name a path that begins with `.1`, because `.2`.
pub(crate) const FENCES: &[(&str, &str, &str)] = &[
    (
        "session",
        "crate::explain::cause",
        "the loop knows no cause",
    ),
    (
        "source",
        "crate::memory",
        "a source reports what it sees and remembers nothing",
    ),
    (
        "source",
        "crate::explain",
        "a source reports what it sees and explains nothing",
    ),
    ("source", "crate::engine", "a source only makes events"),
    ("source", "crate::sink", "a source only makes events"),
    (
        "recording",
        "crate::explain",
        "a recording holds events, no verdicts",
    ),
    (
        "recording",
        "crate::memory",
        "a recording holds events, no state",
    ),
    (
        "recording",
        "crate::engine",
        "a recording holds events, no state",
    ),
    (
        "recording",
        "crate::sink",
        "a recording is written by its own writer",
    ),
    (
        "recording",
        "crate::decode",
        "wire types change, recordings are read for ever",
    ),
    (
        "recording",
        "tcpwatch_common",
        "wire types change, recordings are read for ever",
    ),
    ("decode", "crate::timeline", "decode knows events only"),
    ("decode", "crate::sink", "decode knows events only"),
    ("decode", "crate::engine", "decode knows events only"),
    ("decode", "crate::explain", "decode knows events only"),
    ("decode", "crate::memory", "decode knows events only"),
    (
        "timeline",
        "crate::sink",
        "the timeline orders events, whatever they mean",
    ),
    (
        "timeline",
        "crate::engine",
        "the timeline orders events, whatever they mean",
    ),
    (
        "timeline",
        "crate::explain",
        "the timeline orders events, whatever they mean",
    ),
    (
        "timeline",
        "crate::memory",
        "the timeline orders events, whatever they mean",
    ),
    (
        "sink",
        "crate::explain::cause",
        "a sink prints every verdict alike",
    ),
    ("sink", "crate::engine", "a sink is given verdicts"),
    ("sink", "crate::memory", "a sink is given verdicts"),
    (
        "engine",
        "crate::explain::cause",
        "the engine knows no single cause",
    ),
    (
        "explain/cause",
        "crate::memory",
        "a cause sees a Case, which cannot change",
    ),
    (
        "explain/cause",
        "crate::explain::cause",
        "a cause knows no other cause",
    ),
];

/// Causes name each other neither by `crate::` nor by `super::`.
pub(crate) const LONERS: &str = "explain/cause";
