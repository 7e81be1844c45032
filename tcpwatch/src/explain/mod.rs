//! From what is known about one reset to a verdict.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

pub mod cause;
pub mod mechanism;
pub mod verdict;
