//! Why was this connection reset?
//!
//! Modules stand in flow order; a module may use only those below it.

pub mod decode;
pub mod btf;
pub mod event;
pub mod explain;
