//! The running kernel as a source of events: hooks attached, rings drained, losses counted.

mod attach;
mod error;
mod hooks;
mod nested;
mod rings;
pub mod conntrack;
pub mod inventory;
pub mod host;
pub mod capabilities;
pub mod checkup;
pub mod counters;
mod ended;
mod remover;
mod conntrack_filter;
pub mod ruleset;
pub mod proxies;
pub mod reverse_path;
pub mod tcp_memory;
pub mod ctnetlink;
pub mod sock_diag;
pub mod addresses;
pub mod sysctl;
pub mod netns;
pub mod procfs;
pub mod names;
pub mod netlink;
pub mod pace;
pub mod clock;
mod watch;

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

pub use ended::Ended;
pub use error::OpenError;
pub use watch::Watch;

use crate::btf::Btf;
use crate::decode::{Decoder, ResetReasons};
use crate::event::{CoverageDeclared, Event, Fact, Time, Way};
use crate::source::Layout;
use attach::Attached;
use ended::EndedProcesses;
use nested::Nested;
use rings::Rings;

/// What may be chosen. The default is right on every host that exports its BTF.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The kernel's BTF, where `/sys/kernel/btf/vmlinux` is missing.
    pub btf: Option<PathBuf>,
    /// Bytes of the ring for resets, overflows and listeners; rounded up to a power of two.
    pub events_ring: Option<u32>,
    /// Ways not to try: where one misbehaves, and to see what the others tell.
    pub avoid: Vec<Way>,
    /// Where the host's own files are, when not at `/`.
    pub host_root: Option<PathBuf>,
}

/// Hooks in the kernel, as long as this value lives: nothing is pinned, so even `kill -9` leaves nothing.
pub struct KernelSource {
    attached: Attached,
    rings: Rings,
    ended: EndedProcesses,
    nested: Nested,
    problems: Vec<String>,
    /// nf_tables is part of this kernel itself.
    nftables_builtin: bool,
}

impl KernelSource {
    /// Attaches what can be attached, then lets the hooks speak. The declaration says what came of each.
    pub fn open(options: &Options, now: Time) -> Result<(Self, CoverageDeclared), OpenError> {
        error::refuse_hopeless()?;
        let path = options.btf.as_deref().unwrap_or(Path::new(VMLINUX));
        let bytes =
            fs::read(path).map_err(|source| OpenError::NoBtf { path: path.to_owned(), source })?;
        let btf = Btf::parse(bytes.clone())
            .map_err(|source| OpenError::BadBtf { path: path.to_owned(), source })?;
        let loader_btf = attach::loader_btf(&bytes)?;
        let layout = Layout::resolve(&btf);
        let decoder = Decoder { reasons: reset_reasons(&btf) };
        let mut ebpf = attach::load(&loader_btf, &layout, options.events_ring)?;
        let mut rings = Rings::take(&mut ebpf, decoder, now)?;
        let ended = EndedProcesses::take(&mut ebpf)?;
        let problems = layout.problems.clone();
        let builtin = attach::builtin(&btf);
        let attached = Attached::new(ebpf, loader_btf, layout, builtin, options.avoid.clone())?;
        rings.enable()?;
        let nftables_builtin = btf.function("nft_do_chain").is_ok();
        let nested = Nested::new(now);
        let source = Self { attached, rings, ended, nested, problems, nftables_builtin };
        let coverage = source.coverage(now);
        Ok((source, coverage))
    }

    /// What can be seen now.
    pub fn coverage(&self, now: Time) -> CoverageDeclared {
        CoverageDeclared { time: now, hooks: self.attached.coverage() }
    }

    /// Attaches to modules that were loaded since, lets go of those unloaded. True when the coverage changed.
    /// Costs a look at `/sys/module`: call it every second or so.
    pub fn attach_missing(&mut self) -> bool {
        self.attached.follow_modules()
    }

    /// No way into conntrack works on this kernel, module or not: time for the DESTROY messages of ctnetlink.
    pub fn needs_conntrack_messages(&self) -> bool {
        self.attached.is_hopeless(Fact::ConntrackDestroyed)
    }

    /// Rules of nftables can be asked for without loading anything.
    pub fn has_nftables(&self) -> bool {
        self.nftables_builtin || ruleset::nftables_is_loaded()
    }

    /// From now on [`Self::ended`] knows who has ended. Why not, if it cannot.
    fn remember_ended(&mut self) -> Option<String> {
        self.attached.help(&hooks::ENDED)
    }

    /// Processes that have ended lately.
    fn ended(&self) -> &EndedProcesses {
        &self.ended
    }

    /// Hands over everything that has come since the last call, with what was lost meanwhile.
    ///
    /// Call it every 10 ms, and whenever one of [`Self::filling`] wakes: the hooks wake nobody until the ring fills.
    pub fn drain(&mut self, now: Time, sink: impl FnMut(Event)) {
        self.rings.drain(now, sink);
    }

    /// Tells what the kernel passed over since the last call. Costs some microseconds for each program: call it every
    /// second or so.
    pub fn tell_nested(&mut self, now: Time, out: &mut Vec<Event>) {
        let lost = self.nested.since_last(self.attached.cold_programs(), now);
        out.extend(lost.into_iter().map(Event::EventsLost));
    }

    /// Descriptors that wake whoever polls them when a ring fills faster than it is drained.
    pub fn filling(&self) -> [BorrowedFd<'_>; 2] {
        self.rings.filling()
    }

    /// Kernel fields that hooks would read and this kernel lacks, as sentences.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Kernels before 6.10 have no such enum, and give no reasons.
fn reset_reasons(btf: &Btf) -> ResetReasons {
    ResetReasons::from_enum(btf.enum_values("sk_rst_reason").unwrap_or_default())
}
