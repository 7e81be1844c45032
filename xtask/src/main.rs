//! The chores of this repository: `cargo xtask VERB`, one verb per file.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the person who started it"
)]

mod check;
mod counts;
mod ebpf;
mod paths;
mod portable;
mod record_incident;
mod run;
mod scenarios;
mod setup;
mod sh;
mod step;
mod test;
mod tidy;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chores of the tcpwatch repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build tcpwatch and run it as root: `cargo xtask run rst --explain`
    #[command(disable_help_flag = true)]
    Run(run::Args),
    /// Everything: setup, check, native scenarios, and the VM matrix
    Test(test::Args),
    /// Format, lints, unit tests, room order, and a fresh BPF object
    Check,
    /// Check that replay, export and anonymize build for Windows, macOS and FreeBSD (needs rustup)
    Portable,
    /// Install what building and testing need
    Setup(setup::Args),
    /// Rebuild the committed BPF object
    Ebpf(ebpf::Args),
    /// Check that no room imports a room above it
    Tidy,
    /// Run the scenarios on this host's kernel, as root
    Scenarios(scenarios::Args),
    /// Run the scenarios on other kernels, in QEMU
    Vm(vm::Args),
    /// Record scenarios in QEMU and keep them as incidents
    RecordIncident(record_incident::Args),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Check => check::run(),
        Verb::Portable => portable::run(),
        Verb::Setup(args) => setup::run(args),
        Verb::Ebpf(args) => ebpf::run(&args),
        Verb::Tidy => tidy::run(),
        Verb::Scenarios(args) => scenarios::run(&args),
        Verb::Vm(args) => vm::run(&args),
        Verb::RecordIncident(args) => record_incident::run(&args),
    }
}
