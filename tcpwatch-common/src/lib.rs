//! What the kernel half and the user half of tcpwatch agree on: wire records and field offsets.
//!
//! Nothing here decides anything. Records are a private contract of one build: they are never stored
//! (recordings hold events), so they may change freely.
#![no_std]

pub mod offsets;
pub mod wire;
