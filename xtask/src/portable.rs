//! `cargo xtask portable`: does what needs no kernel to watch build for systems other than Linux?

use crate::sh;
use crate::step::Steps;
use anyhow::{Result, bail};
use std::process::Command;

/// One of each family.
const TARGETS: [&str; 3] =
    ["x86_64-pc-windows-gnu", "aarch64-apple-darwin", "x86_64-unknown-freebsd"];

/// The verb.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let (name, again) = ("standard libraries of other systems", "cargo xtask portable");
    if steps.run(name, again, add_targets) {
        for target in TARGETS {
            steps.run(&format!("builds for {target}"), again, || sh::run(&mut check(target)));
        }
    }
    steps.finish()
}

fn add_targets() -> Result<()> {
    if sh::which("rustup").is_none() {
        bail!(
            "rustup is missing, which brings the standard libraries of other systems. Install it"
        );
    }
    sh::run(sh::cmd("rustup", ["target", "add"]).args(TARGETS))
}

/// Nothing is linked, so the C parts of our libraries are not needed, nor compilers for them: `true` does their work.
fn check(target: &str) -> Command {
    let mut check = sh::cargo();
    check.args(["clippy", "--package", "tcpwatch", "--no-default-features", "--target", target]);
    check.args(["--", "-D", "warnings"]).envs([("CC", "true"), ("AR", "true")]);
    check
}
