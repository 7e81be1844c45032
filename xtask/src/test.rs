//! `cargo xtask test`: everything, in the order in which an error is cheapest to find. CI runs this.

use crate::step::Steps;
use crate::{check, scenarios, setup, vm};
use anyhow::Result;

/// One kernel per tier of hooks: 5.10 and 6.1 without reset reasons, 6.12 and 7.2 with them.
const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7.2"];

/// The verb.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    setup::add(&mut steps, setup::Args::default());
    check::add(&mut steps);
    scenarios::add(&mut steps, &scenarios::Args::default());
    let reports = vm::add(&mut steps, &vm::Args::for_kernels(&KERNELS));
    vm::print(&reports);
    steps.finish()
}
