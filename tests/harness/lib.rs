//! What scenarios are made of: namespaces and networks, sockets, processes that die on demand, the kernel's counters,
//! and a running tcpwatch with what it said.
//!
//! Everything here panics on failure, with the whole story in the message, and cleans up after itself by `Drop`.

pub mod address;
pub mod bystander;
pub mod cgroup;
pub mod counters;
pub mod demo;
pub mod doctor;
pub mod folder;
pub mod helper;
pub mod module;
pub mod namespace;
pub mod need;
pub mod network;
pub mod patience;
pub mod privileges;
pub mod recording;
pub mod remote;
pub mod replay;
pub mod report;
pub mod segment;
pub mod socket;
pub mod sysctl;
pub mod tally;
pub mod top;
pub mod verdict;
pub mod watch;

pub use address::{Ip, at};
pub use bystander::Bystander;
pub use cgroup::{MemoryLimit, PodCgroup};
pub use counters::Counters;
pub use folder::Folder;
pub use helper::Helper;
pub use module::Unloaded;
pub use namespace::Namespace;
pub use need::Need;
pub use network::{Backends, Dnat, Host, Pair, Service, Switched};
pub use patience::{PATIENCE, wait_for};
pub use remote::Remote;
pub use replay::Replay;
pub use report::Report;
pub use sysctl::Sysctl;
pub use verdict::{Expected, Verdict};
pub use watch::Watch;
