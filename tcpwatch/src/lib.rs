//! Why was this connection reset?
//!
//! The kernel says that it sent or took a RST, sometimes with a word of its own. This crate says **why**: it
//! correlates the reset with what happened before and after, and states a cause only with its evidence.
//!
//! # One direction of flow
//!
//! ```text
//!  kernel hooks ── wire records ── decode ──┐
//!  inventory (sock_diag, sysctl, procfs)    ├── Event ── timeline ── engine { memory, open cases } ── explain ── Verdict ── sinks
//!  conntrack netlink (where no kprobe)      │
//!  coverage · loss · tick ──────────────────┘
//! ```
//!
//! The modules below stand in flow order, and each may use only those below it (`cargo xtask tidy` checks it).
//!
//! * `demo`: incidents made on purpose, in namespaces of their own, for `tcpwatch demo`.
//! * `source`, `decode`: what the kernel tells becomes [`event::Event`]s. Everything the engine consults arrives
//!   this way: sysctls, listeners that were there before us, owners, which hooks could be attached, what was lost.
//! * `timeline`: puts events in order of their own time.
//! * `engine`: opens a case for each reset, waits a little for late evidence, closes it. Owns the `memory`.
//! * `explain`: a `Case` is a view of what is known of one reset; each file under `explain/cause` is one cause.
//! * `fleet`: where recordings of several hosts are read together, puts their conclusions in one order and joins both
//!   ends of a reset that went from one to another. A host never sees into the memory of another.
//! * `logs`: what applications log when a connection fails, and which causes that may have.
//! * `doctor`: which settings of a host will produce resets: facts in, findings out, for `tcpwatch doctor`.
//! * `sink`: verdicts to bytes, one format per file.
//!
//! # Deliberately absent
//!
//! * The brain (`timeline`, `engine`, `explain`, `memory`, `event`) has no clock, no file, no `/proc`, no output
//!   and no `Result`: same events, same verdicts. `clippy.toml` fences it.
//! * Sinks never match on a cause: what a cause has to say, it says itself.
//! * No rule asks for a kernel version: hooks are tried, fields are looked up in BTF, and what cannot be seen is
//!   declared ([`event::CoverageDeclared`]).
//! * "Not seen" is no evidence unless it could have been seen ([`memory::Seen`]).
//! * The task that happened to run when the kernel answered a segment is nobody's owner, and is not even read.
//! * No payload, nothing pinned, nothing written to the host.

pub mod command;
pub mod cli;
pub mod session;
#[cfg(feature = "live")]
pub mod demo;
pub mod source;
pub mod recording;
pub mod decode;
pub mod filter;
pub mod sink;
pub mod fleet;
pub mod logs;
pub mod timeline;
pub mod engine;
pub mod doctor;
pub mod explain;
pub mod memory;
pub mod btf;
pub mod event;

#[cfg(test)]
mod laws;
