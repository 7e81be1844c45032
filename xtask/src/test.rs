//! `cargo xtask test`: everything, in the order in which an error is cheapest to find. CI runs this.

use crate::step::Steps;
use crate::{check, scenarios, setup, vm};
use anyhow::Result;
use std::path::PathBuf;

/// One kernel per tier of hooks: 5.10 and 6.1 without reset reasons, 6.12 and 7.2 with them.
const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7.2"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write which causes were told on which kernel to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    setup::add(&mut steps, setup::Args::default());
    check::add(&mut steps);
    let native = scenarios::add(&mut steps, &scenarios::Args::default());
    let guests = vm::add(&mut steps, &vm::Args::for_kernels(&KERNELS));
    let reports: Vec<_> = native.into_iter().chain(guests).collect();
    vm::print(&reports);
    vm::keep(&mut steps, args.report.as_deref(), &reports);
    steps.finish()
}
