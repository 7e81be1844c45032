//! From what is known about one reset to a verdict.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

pub mod case;
pub mod cause;
pub mod ending;
pub mod foreign;
pub mod late_segment;
mod later;
pub mod mechanism;
mod missing;
pub mod page;
#[cfg(test)]
pub(crate) mod story;
pub mod timers;
pub mod translation;
pub mod verdict;

pub use cause::infer_all;
pub use later::{Opening, opened_later};
pub use missing::missing;
