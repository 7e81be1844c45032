//! Incidents reproduced with real sockets, and what tcpwatch must say about each.
//!
//! One program, two lives: as root on a host, and as PID 1 of a virtual machine (see [`guest`]). The environment variable
//! `TCPWATCH` names the tcpwatch binary. A scenario that kernel or tools cannot run is skipped with the reason.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program reports on its standard output"
)]

mod aborts;
mod conntrack;
mod delivery;
mod demo;
mod doctor;
mod guest;
mod handover;
mod listener;
mod netfilter;
mod overflow;
mod owners;
mod privileges;
mod received;
mod recording;
mod replies;
mod runner;
mod scenario;
mod storm;
mod top;
mod unexplained;

use std::process::{self, ExitCode};

use scenario::Scenario;

fn main() -> ExitCode {
    if let Some(done) = harness::helper::play_role() {
        return done;
    }
    if process::id() == 1 {
        guest::be_init();
    }
    if guest::is_runner() {
        return guest::run();
    }
    runner::run_natively()
}

/// All families, each file one.
fn scenarios() -> Vec<Scenario> {
    [
        overflow::scenarios(),
        conntrack::scenarios(),
        handover::scenarios(),
        listener::scenarios(),
        netfilter::scenarios(),
        aborts::scenarios(),
        replies::scenarios(),
        received::scenarios(),
        unexplained::scenarios(),
        owners::scenarios(),
        privileges::scenarios(),
        storm::scenarios(),
        top::scenarios(),
        demo::scenarios(),
        doctor::scenarios(),
        recording::scenarios(),
    ]
    .concat()
}
