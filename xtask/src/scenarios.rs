//! `cargo xtask scenarios [FILTER]`: the scenarios on this host's own kernel, as root.

use crate::counts::Counts;
use crate::step::Steps;
use crate::vm::Report;
use crate::vm::protocol::Transcript;
use crate::{paths, sh};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only scenarios whose name contains this
    filter: Option<String>,
}

/// The two static binaries. The same files run here and, as PID 1, in the VMs.
pub(crate) struct Binaries {
    pub(crate) scenarios: PathBuf,
    pub(crate) tcpwatch: PathBuf,
}

/// The verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    add(&mut steps, args);
    steps.finish()
}

/// The same as a step of `cargo xtask test`; what is left of it, if it came to its end.
pub(crate) fn add(steps: &mut Steps, args: &Args) -> Option<Report> {
    let filter = args.filter.as_deref().unwrap_or_default();
    let again = format!("cargo xtask scenarios {filter}");
    let mut report = None;
    steps.run("native scenarios", again.trim_end(), || run_natively(args, &mut report));
    report
}

/// Builds both binaries without shared libraries: an initramfs has none.
pub(crate) fn build() -> Result<Binaries> {
    // A target directory of its own, or each of these builds would throw the other kind away.
    let target = paths::target().join("static");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = sh::cargo();
    cargo.env("RUSTFLAGS", "-Ctarget-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(["build", "--release", "--package", "tcpwatch", "--bin", "tcpwatch"]);
    cargo.args(["--package", "tcpwatch-tests", "--bin", "scenarios", "--target", &triple]);
    sh::run(cargo.arg("--target-dir").arg(&target)).context("the static binaries do not build")?;
    let out = target.join(triple).join("release");
    Ok(Binaries { scenarios: out.join("scenarios"), tcpwatch: out.join("tcpwatch") })
}

fn run_natively(args: &Args, report: &mut Option<Report>) -> Result<Counts> {
    let Binaries { scenarios, tcpwatch } = build()?;
    let mut command = sh::as_root(&[("TCPWATCH", tcpwatch.as_os_str())], scenarios.as_os_str());
    let (start, mut transcript) = (Instant::now(), Transcript::default());
    let ok = sh::stream(command.args(&args.filter), |line| transcript.see(line))?;
    let Some(counts) = transcript.counts() else {
        bail!("the scenarios ended without a result; their last lines say why")
    };
    let version = sh::read(&mut sh::cmd("uname", ["-r"]))?;
    *report = Some(Report::new("native", version.trim(), transcript, start.elapsed(), false));
    Ok(if ok { counts } else { counts.at_least_one_failed() })
}
