//! `cargo xtask check`: all that can be said about the sources without a kernel.

use crate::step::Steps;
use crate::{ebpf, sh, tidy};
use anyhow::Result;

const FMT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--exclude",
    "tcpwatch-ebpf",
    "--all-targets",
    "--features",
    PARQUET,
    "--",
    "-D",
    "warnings",
];
// On its own, because cargo would switch `live` on again for whoever else needs it.
const CLIPPY_REPLAY: &[&str] = &[
    "clippy",
    "--package",
    "tcpwatch",
    "--no-default-features",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];
const UNIT: &[&str] = &["test", "--workspace", "--exclude", "tcpwatch-ebpf", "--no-fail-fast"];
// As users build it, the tests above have no Parquet.
const UNIT_PARQUET: &[&str] = &[
    "test",
    "--workspace",
    "--exclude",
    "tcpwatch-ebpf",
    "--no-fail-fast",
    "--features",
    PARQUET,
    "--lib",
    "--test",
    "export",
    "parquet",
];
const PARQUET: &str = "tcpwatch/parquet,tcpwatch-tests/parquet";

/// The verb.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    add(&mut steps);
    steps.finish()
}

/// The same steps as a part of `cargo xtask test`.
pub(crate) fn add(steps: &mut Steps) {
    cargo(steps, "format", FMT);
    cargo(steps, "lints", CLIPPY);
    cargo(steps, "lints without feature live", CLIPPY_REPLAY);
    steps.run("unit tests", &repeat(UNIT), || sh::counted(sh::cargo().args(UNIT)));
    let name = "unit tests with feature parquet";
    steps.run(name, &repeat(UNIT_PARQUET), || sh::counted(sh::cargo().args(UNIT_PARQUET)));
    steps.run("room order", "cargo xtask tidy", tidy::check);
    steps.run("BPF object is fresh", "cargo xtask ebpf --check", ebpf::check);
    // The place for `docs --check`, once README table, man page and schema are made by `xtask docs`.
}

fn cargo(steps: &mut Steps, name: &str, args: &[&str]) {
    steps.run(name, &repeat(args), || sh::run(sh::cargo().args(args)));
}

fn repeat(args: &[&str]) -> String {
    format!("cargo {}", args.join(" "))
}
