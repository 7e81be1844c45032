//! A kernel being watched, whatever it is watched by.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::kernel;
use crate::doctor::Facts;
use crate::event::{Event, Time, Way};

/// A kernel being watched. What it has to tell goes into `out`, in any order within the slack of the timeline.
pub trait Live {
    /// Describes the host and what can be seen of it, reads the counters for the first time, and lets the hooks go.
    fn start(&mut self, out: &mut Vec<Event>) -> anyhow::Result<()>;

    /// Empties the rings.
    fn drain(&mut self, out: &mut Vec<Event>);

    /// Everything that may take longer: namespaces, counters, modules loaded since. Called each second.
    fn slow(&mut self, out: &mut Vec<Event>);

    /// Reads the counters for the last time.
    fn finish(&mut self, out: &mut Vec<Event>);

    /// A descriptor that wakes whoever polls it when something came that should be drained at once.
    fn urgent(&self) -> Option<OwnedFd> {
        None
    }

    /// Event time.
    fn now(&self) -> Time;
}

/// What the user says about the source.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Kernel type information from a file.
    pub btf: Option<PathBuf>,
    /// Ways of attaching that are not to be tried.
    pub avoid: Vec<Way>,
    /// Where the host's own files are, when not at `/`.
    pub host_root: Option<PathBuf>,
}

/// Opens the running kernel.
pub fn open(options: &Options) -> anyhow::Result<Box<dyn Live>> {
    Ok(Box::new(kernel::Watch::open(&within_kernel(options))?))
}

/// What the running kernel shows of this host, for `tcpwatch doctor`. The hooks are let go again.
pub fn examine(options: &Options) -> Facts {
    kernel::checkup::examine(&within_kernel(options))
}

fn within_kernel(options: &Options) -> kernel::Options {
    let Options { btf, avoid, host_root } = options.clone();
    kernel::Options { btf, avoid, host_root, ..kernel::Options::default() }
}
