//! Arguments → command → exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use tcpwatch::cli::Cli;
use tcpwatch::command::{self, GateNotMet};

const GATE_NOT_MET: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::from_command_line();
    log_to_stderr(cli.verbose);
    match command::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<GateNotMet>() => ExitCode::from(GATE_NOT_MET),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "tcpwatch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format_timestamp(None)
        .format_target(false)
        .init();
}

/// Whoever read our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}
