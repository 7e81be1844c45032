//! The rooms of `tcpwatch` and who may know whom: the one place where this is written down.

/// Everything below `command`: the edges put the house together.
const ALL: &[&str] = &[
    "cli",
    "session",
    "demo",
    "source",
    "recording",
    "decode",
    "filter",
    "sink",
    "fleet",
    "logs",
    "timeline",
    "engine",
    "doctor",
    "explain",
    "memory",
    "btf",
    "event",
    WIRE,
];

/// The crate with wire records and offsets; to be known as little as any room above.
pub(crate) const WIRE: &str = "tcpwatch_common";

/// Each room and what it may import, in the order of the `mod` lines of `tcpwatch/src/lib.rs`:
/// data flows down this list, and nobody imports a room above.
#[rustfmt::skip]
pub(crate) const ROOMS: &[(&str, &[&str])] = &[
    ("command", ALL),
    ("cli", &["recording", "filter", "explain", "event"]),
    ("session", &["recording", "filter", "sink", "fleet", "timeline", "engine", "explain", "event"]),
    ("demo", &["source", "sink", "explain", "event"]),
    ("source", &["decode", "doctor", "btf", "event", WIRE]),
    ("recording", &["event"]),
    ("decode", &["event", WIRE]),
    ("filter", &["explain", "event"]),
    ("sink", &["logs", "doctor", "explain", "event"]),
    ("fleet", &["explain", "memory", "event"]),
    ("logs", &["explain"]),
    ("timeline", &["event"]),
    ("engine", &["explain", "memory", "event"]),
    ("doctor", &["explain", "event"]),
    ("explain", &["memory", "event"]),
    ("memory", &["event"]),
    ("btf", &[]),
    ("event", &[]),
];

/// Inside an allowed room not every place is open: files under `.0` may not name what is under `.1`, because `.2`.
#[rustfmt::skip]
pub(crate) const FENCES: &[(&str, &str, &str)] = &[
    ("session", "crate::explain::cause", "the loop knows no single cause"),
    ("sink", "crate::explain::cause", "a sink prints every cause alike"),
    ("fleet", "crate::explain::cause", "the fleet knows no single cause"),
    ("engine", "crate::explain::cause", "the engine knows no single cause"),
    ("doctor", "crate::explain::cause", "a finding names causes by their codes"),
    ("explain/cause", "crate::memory", "a cause sees a Case, which cannot change"),
    ("explain/cause", "crate::explain::cause", "a cause knows no other cause"),
];

/// What every room below the fences may name all the same: any cause, without saying which.
pub(crate) const OPEN: &[&str] = &["crate::explain::cause::Cause"];

/// Files that are compiled for tests only: a story may tell the whole house.
pub(crate) const TEST_FILES: &[&str] =
    &["laws", "explain/story", "recording/samples", "sink/samples"];

/// Files here do not name each other by `super::` either.
pub(crate) const LONERS: &str = "explain/cause";
