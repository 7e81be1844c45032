//! The kernel half of tcpwatch: it reports what happened and judges nothing.
//!
//! One file per kernel event under `hook`, each a plain body and one-line shells for the ways of attaching.
//! Nothing here may panic: a reachable panic is a loop without end, which every kernel refuses to load.
#![no_std]
#![no_main]
#![allow(
    clippy::inline_always,
    reason = "a call that stays one is a program of its own to the verifier"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the attribute macros hand contexts over by value"
)]

mod emit;
mod evicting;
mod filter;
mod hook;
mod maps;
mod read;
mod removing;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers that read kernel memory ask for a licence compatible with the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
