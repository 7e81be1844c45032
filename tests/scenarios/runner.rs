//! Runs the scenarios under libtest-mimic and tells which hooks tcpwatch found.

use std::panic;
use std::process::ExitCode;

use harness::{namespace, watch};
use libtest_mimic::{Arguments, Conclusion};
use serde_json::Value;

use crate::scenario::Scenario;
use crate::scenarios;

/// As root on a host, with libtest's arguments.
pub(crate) fn run_natively() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && !nix::unistd::geteuid().is_root() {
        eprintln!("scenarios make network namespaces: run them as root, or by `cargo xtask scenarios`");
        return ExitCode::FAILURE;
    }
    run(&arguments).exit_code()
}

pub(crate) fn run(arguments: &Arguments) -> Conclusion {
    namespace::sweep();
    panic::set_hook(Box::new(say_where));
    let trials = scenarios().into_iter().map(Scenario::into_trial).collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    watch::coverage().iter().for_each(|coverage| print_hooks(coverage));
    conclusion
}

/// Where it happened; the message with its long story comes once, in libtest's summary.
fn say_where(panic: &panic::PanicHookInfo) {
    if let Some(place) = panic.location() {
        eprintln!("\nfailed at {place}");
    }
}

fn print_hooks(coverage: &Value) {
    for hook in coverage["hooks"].as_array().into_iter().flatten() {
        let fact = hook["fact"].as_str().unwrap_or("?");
        println!("TCPWATCH-VM-HOOK {fact} {}", hook["way"].as_str().unwrap_or("none"));
    }
}
