//! Why was this connection reset?
//!
//! Modules stand in flow order; a module may use only those below it.

#[cfg(feature = "live")]
pub mod source;
pub mod decode;
pub mod btf;
pub mod event;
pub mod explain;
