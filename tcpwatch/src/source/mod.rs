//! Where events come from.

#[cfg(feature = "live")]
pub mod kernel;
