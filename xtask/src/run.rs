//! `cargo xtask run ARGS…`: builds tcpwatch, becomes root when it is not, and runs it in our place.

use crate::{paths, sh};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of tcpwatch
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Replaces this process, so that signals and the exit code are tcpwatch's own.
pub(crate) fn run(args: &Args) -> Result<()> {
    let tcpwatch = build()?;
    let mut command = sh::as_root(&[], tcpwatch.as_os_str());
    let error = command.args(&args.args).exec();
    Err(error)
        .with_context(|| format!("cannot run `{}`: run it as root yourself", sh::shown(&command)))
}

fn build() -> Result<PathBuf> {
    let target = paths::target();
    let mut cargo = sh::cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        "tcpwatch",
        "--bin",
        "tcpwatch",
        "--target-dir",
    ]);
    sh::run(cargo.arg(&target))?;
    Ok(target.join("release/tcpwatch"))
}
