//! Runs the scenarios under libtest-mimic and tells which hooks tcpwatch found.

use std::panic;
use std::process::ExitCode;
use std::sync::Once;

use harness::tally::{self, Told};
use harness::{namespace, watch};
use libtest_mimic::{Arguments, Conclusion};
use serde_json::Value;

use crate::scenario::Scenario;
use crate::scenarios;

/// As root on a host, with libtest's arguments.
pub(crate) fn run_natively() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Every tcpwatch hears the whole machine: scenarios side by side would be noise in each other's accounts.
    arguments.test_threads.get_or_insert(1);
    if !arguments.list && !nix::unistd::geteuid().is_root() {
        eprintln!(
            "scenarios make network namespaces: run them as root, or by `cargo xtask scenarios`"
        );
        return ExitCode::FAILURE;
    }
    run(&arguments).exit_code()
}

pub(crate) fn run(arguments: &Arguments) -> Conclusion {
    namespace::sweep();
    panic::set_hook(Box::new(say_where));
    let trials = scenarios().into_iter().map(Scenario::into_trial).collect();
    let done = libtest_mimic::run(arguments, trials);
    print_tally();
    done
}

fn print_tally() {
    for (told, count) in tally::all() {
        match told {
            Told::Cause(code) => println!("TCPWATCH-VM-TOLD {code} {count}"),
            Told::Nothing { mechanism, missing } => {
                println!("TCPWATCH-VM-OPEN {mechanism} {count} {missing}");
            }
        }
    }
}

/// Where it happened; the message with its long story comes once, in libtest's summary.
fn say_where(panic: &panic::PanicHookInfo) {
    if let Some(place) = panic.location() {
        eprintln!("\nfailed at {place}");
    }
}

/// Once, as soon as the first tcpwatch has said it.
pub(crate) fn print_hooks() {
    static PRINT: Once = Once::new();
    if let Some(coverage) = watch::coverage() {
        PRINT.call_once(|| print_each(coverage));
    }
}

fn print_each(coverage: &Value) {
    // libtest-mimic may be in the middle of a line.
    println!();
    for hook in coverage["hooks"].as_array().into_iter().flatten() {
        let fact = hook["fact"].as_str().unwrap_or("?");
        println!("TCPWATCH-VM-HOOK {fact} {}", hook["way"].as_str().unwrap_or("none"));
    }
}
