//! The running kernel as a source of events.

pub mod conntrack;
pub mod inventory;
pub mod host;
pub mod capabilities;
pub mod counters;
mod remover;
mod conntrack_filter;
pub mod ctnetlink;
pub mod sock_diag;
pub mod addresses;
pub mod sysctl;
pub mod netns;
pub mod procfs;
pub mod netlink;
pub mod pace;
pub mod clock;
