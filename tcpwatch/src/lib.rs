//! Why was this connection reset?
//!
//! Modules stand in flow order; a module may use only those below it.

pub mod btf;
pub mod timeline;
pub mod engine;
pub mod explain;
pub mod memory;
pub mod event;

#[cfg(test)]
mod laws;
