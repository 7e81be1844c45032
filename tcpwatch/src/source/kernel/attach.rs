//! Which way of each hook works here? Found by doing; a way that fails leaves a sentence and spoils nothing.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use aya::programs::{Program, ProgramError};
use aya::{Btf as AyaBtf, Ebpf, EbpfError, EbpfLoader, Endianness};

use super::clock;
use super::error::{self, OpenError};
use super::hooks::{Attachment, HOOKS, Helper, Hook, Need, Part};
use crate::btf::Btf;
use crate::event::{Fact, HookCoverage, Way};
use crate::source::Layout;

/// The committed object (`cargo xtask ebpf` makes it).
#[cfg(target_arch = "x86_64")]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../bpf/tcpwatch.x86_64.o");
#[cfg(target_arch = "aarch64")]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../bpf/tcpwatch.aarch64.o");

/// Creates the maps and freezes the offsets. No program is loaded yet.
pub(super) fn load(
    btf: &AyaBtf,
    layout: &Layout,
    events_ring: Option<u32>,
) -> Result<Ebpf, OpenError> {
    let (mut loader, tick) = (EbpfLoader::new(), clock::tick());
    loader
        .btf(Some(btf))
        .override_global("OFFSETS", &layout.offsets, true)
        .override_global("ARGUMENTS", &layout.arguments, true)
        .override_global("TICK", &tick, true);
    if let Some(bytes) = events_ring {
        loader.map_max_entries("EVENTS", bytes);
    }
    // Before 5.11 maps count against RLIMIT_MEMLOCK; aya raises it then, and only then.
    loader.load(OBJECT).map_err(|error| {
        if is_eperm(&error) { error::not_permitted() } else { OpenError::Unsuitable(chain(&error)) }
    })
}

/// The same types once more, in the loader's own form: it names targets to the kernel by type id.
pub(super) fn loader_btf(bytes: &[u8]) -> Result<AyaBtf, OpenError> {
    AyaBtf::parse(bytes, Endianness::default())
        .map_err(|error| OpenError::Unsuitable(format!("its BTF: {}", chain(&error))))
}

/// The programs in the kernel, by hook.
pub(super) struct Attached {
    ebpf: Ebpf,
    btf: AyaBtf,
    layout: Layout,
    avoid: Vec<Way>,
    /// Modules that are built in.
    builtin: Vec<&'static str>,
    rows: Vec<Row>,
}

/// One hook as it turned out.
struct Row {
    hook: &'static Hook,
    attached: Option<Success>,
    failed: Vec<String>,
    /// The hook's modules that are there, loaded or built in.
    present: Vec<&'static str>,
}

struct Success {
    attachment: &'static Attachment,
    /// Sentences.
    blind: Vec<&'static str>,
}

impl Attached {
    pub(super) fn new(
        ebpf: Ebpf,
        btf: AyaBtf,
        layout: Layout,
        builtin: Vec<&'static str>,
        avoid: Vec<Way>,
    ) -> Result<Self, OpenError> {
        let mut all = Self { ebpf, btf, layout, avoid, builtin, rows: Vec::new() };
        for hook in HOOKS {
            let row = all.attach(hook);
            all.rows.push(row);
        }
        if all.rows.iter().any(|row| row.attached.is_some()) {
            return Ok(all);
        }
        if error::missing_to_watch().is_some() {
            return Err(error::not_permitted());
        }
        Err(OpenError::NothingAttached(all.rows.into_iter().flat_map(|row| row.failed).collect()))
    }

    pub(super) fn coverage(&self) -> Vec<HookCoverage> {
        self.rows.iter().map(Row::coverage).collect()
    }

    /// No way works, and no module that is still to come could change it.
    pub(super) fn is_hopeless(&self, fact: Fact) -> bool {
        let row = self.rows.iter().find(|row| row.hook.fact == fact);
        row.is_some_and(|row| row.attached.is_none() && !row.is_idle())
    }

    /// See [`super::KernelSource::attach_missing`].
    pub(super) fn follow_modules(&mut self) -> bool {
        let changed: Vec<usize> = (0..self.rows.len())
            .filter(|at| self.rows[*at].present != self.present(self.rows[*at].hook))
            .collect();
        for at in &changed {
            // The probe on a module that went away is dead, also when the module comes back.
            let hook = self.rows[*at].hook;
            let helpers = hook.helpers.iter().map(|helper| &helper.how);
            hook.ways.iter().chain(helpers).for_each(|way| self.let_go(way.parts));
            self.rows[*at] = self.attach(hook);
        }
        !changed.is_empty()
    }

    fn attach(&mut self, hook: &'static Hook) -> Row {
        let mut row = Row { hook, attached: None, failed: Vec::new(), present: self.present(hook) };
        if row.is_idle() {
            let waits = |module| format!("module {module} is not loaded; watched for");
            row.failed.extend(modules(hook).into_iter().map(waits));
            return row;
        }
        for attachment in hook.ways {
            match self.try_way(attachment) {
                Ok(blind) => {
                    let lacking = hook.helpers.iter().filter_map(|helper| self.help(helper));
                    row.failed.extend(lacking);
                    row.attached = Some(Success { attachment, blind });
                    return row;
                }
                Err(why) => row.failed.push(why),
            }
        }
        row
    }

    /// The modules of a hook that are there.
    fn present(&self, hook: &Hook) -> Vec<&'static str> {
        modules(hook).into_iter().filter(|module| self.is_present(module)).collect()
    }

    /// A module that is built in shows only if it has parameters; where nothing shows, all may be there.
    fn is_present(&self, module: &str) -> bool {
        self.builtin.contains(&module) || is_loaded(module)
    }

    /// Attaches what helps. Returns why it does not, and what is not known then.
    pub(super) fn help(&mut self, helper: &'static Helper) -> Option<String> {
        let why = self.try_way(&helper.how).err()?;
        Some(format!("{why}; {}", helper.without_it))
    }

    /// All programs of a way, or none. Returns what it cannot see.
    fn try_way(&mut self, attachment: &'static Attachment) -> Result<Vec<&'static str>, String> {
        let targets = targets(attachment);
        if self.avoid.contains(&attachment.way) {
            return Err(format!("{} {targets}: not tried, as asked", attachment.way));
        }
        if !self.has(attachment.needs) {
            return Err(format!("{} {targets}: tells too little on this kernel", attachment.way));
        }
        let limits = attachment.limits.iter().filter(|limit| !self.has(limit.unless));
        let mut blind: Vec<_> = limits.map(|limit| limit.sentence).collect();
        let here = |part: &&Part| part.module.is_none_or(|module| self.is_present(module));
        let parts: Vec<_> = attachment.parts.iter().filter(here).collect();
        for part in parts {
            match self.put(part) {
                Ok(()) => {}
                Err(error) if !part.if_absent.is_empty() && is_absent(&error) => {
                    self.let_go(std::slice::from_ref(part));
                    blind.push(part.if_absent);
                }
                Err(error) => {
                    self.let_go(attachment.parts);
                    let why = in_words(attachment.way, &error);
                    return Err(format!("{} {}: {why}", attachment.way, part.target));
                }
            }
        }
        Ok(blind)
    }

    fn put(&mut self, part: &Part) -> Result<(), ProgramError> {
        match self.ebpf.program_mut(part.program) {
            Some(Program::FEntry(program)) => {
                program.load(part.target, &self.btf)?;
                program.attach().map(drop)
            }
            Some(Program::FExit(program)) => {
                program.load(part.target, &self.btf)?;
                program.attach().map(drop)
            }
            Some(Program::KProbe(program)) => {
                program.load()?;
                program.attach(part.target, 0).map(drop)
            }
            Some(Program::BtfTracePoint(program)) => {
                program.load(part.target, &self.btf)?;
                program.attach().map(drop)
            }
            _ => Err(ProgramError::UnexpectedProgramType),
        }
    }

    /// Detaches and unloads; what was never loaded says so, and that is fine.
    fn let_go(&mut self, parts: &[Part]) {
        for part in parts {
            let _ = match self.ebpf.program_mut(part.program) {
                Some(Program::FEntry(program)) => program.unload(),
                Some(Program::FExit(program)) => program.unload(),
                Some(Program::KProbe(program)) => program.unload(),
                Some(Program::BtfTracePoint(program)) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    /// The programs each run of which tells a fact: not helpers, and not those that run for much else.
    pub(super) fn cold_programs(&self) -> impl Iterator<Item = (Fact, BorrowedFd<'_>)> {
        let cold = |row: &Row| {
            let attachment = row.attached.as_ref()?.attachment;
            row.hook.is_cold(attachment.way).then_some((row.hook.fact, attachment.parts))
        };
        let rows = self.rows.iter().filter_map(cold);
        let parts = rows.flat_map(|(fact, parts)| parts.iter().map(move |part| (fact, part)));
        parts.filter_map(|(fact, part)| {
            Some((fact, self.ebpf.program(part.program)?.fd().ok()?.as_fd()))
        })
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::TheImpossible => false,
            Need::Argument(name) => self.layout.has_argument(name),
        }
    }
}

impl Row {
    /// The code that does what is to be seen is not there.
    fn is_idle(&self) -> bool {
        self.present.is_empty() && !modules(self.hook).is_empty()
    }

    fn coverage(&self) -> HookCoverage {
        let (hook, way, blind) = match &self.attached {
            Some(Success { attachment, blind }) => {
                (targets(attachment), Some(attachment.way), blind.join("; "))
            }
            None if self.is_idle() => (self.hook.name.to_owned(), None, String::new()),
            None => (self.hook.name.to_owned(), None, self.hook.without_it.to_owned()),
        };
        let (fact, failed, idle) = (self.hook.fact, self.failed.clone(), self.is_idle());
        HookCoverage { fact, hook, way, failed, blind, idle }
    }
}

/// The modules of a hook, each once.
fn modules(hook: &Hook) -> BTreeSet<&'static str> {
    hook.modules().map(|(module, _)| module).collect()
}

/// Modules of the table that are part of this kernel itself: it describes their functions.
pub(super) fn builtin(btf: &Btf) -> Vec<&'static str> {
    let modules = HOOKS.iter().flat_map(Hook::modules);
    modules.filter(|(_, target)| btf.function(target).is_ok()).map(|(module, _)| module).collect()
}

fn targets(attachment: &Attachment) -> String {
    attachment.parts.iter().map(|part| part.target).collect::<Vec<_>>().join(", ")
}

fn is_loaded(module: &str) -> bool {
    let modules = Path::new("/sys/module");
    modules.join(module).exists() || !modules.exists()
}

/// The kernel has no such function, symbol or tracepoint.
fn is_absent(error: &ProgramError) -> bool {
    matches!(error, ProgramError::Btf(_)) || errno(error) == Some(ENOENT)
}

/// Why a way does not work, for the operator.
fn in_words(way: Way, error: &ProgramError) -> String {
    match (error, errno(error)) {
        (ProgramError::Btf(_), _) => "not in this kernel's BTF".to_owned(),
        (ProgramError::KProbeError(_), _) => "this kernel is built without kprobes".to_owned(),
        (ProgramError::LoadError { verifier_log, .. }, _)
            if !verifier_log.to_string().is_empty() =>
        {
            let log = verifier_log.to_string();
            let last = log.lines().rev().find(is_complaint).unwrap_or_default();
            format!("the verifier refuses it: {last}")
        }
        (_, Some(EPERM)) => "this kernel does not permit it".to_owned(),
        (_, Some(ENOENT)) => "no such symbol".to_owned(),
        (_, Some(ENOTSUPP)) if way == Way::Fentry => {
            "too many arguments for this kernel's trampolines".to_owned()
        }
        _ => chain(error),
    }
}

/// The last lines of the verifier's log are statistics.
fn is_complaint(line: &&str) -> bool {
    !line.is_empty()
        && !["processed ", "verification time", "stack depth"].iter().any(|s| line.starts_with(s))
}

fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

fn is_eperm(error: &EbpfError) -> bool {
    errno(error) == Some(EPERM)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
/// include/linux/errno.h: no libc knows it.
const ENOTSUPP: i32 = 524;

#[cfg(test)]
mod tests {
    use super::super::hooks::ENDED;
    use super::*;

    #[test]
    fn every_program_of_the_table_is_in_the_object() {
        let helpers = HOOKS.iter().flat_map(|hook| hook.helpers).chain([&ENDED]);
        let ways = HOOKS.iter().flat_map(|hook| hook.ways).chain(helpers.map(|helper| &helper.how));
        for part in ways.flat_map(|way| way.parts) {
            let name = format!("{}\0", part.program);
            let found = OBJECT.windows(name.len()).any(|bytes| bytes == name.as_bytes());
            assert!(found, "{} is missing; run `cargo xtask ebpf`", part.program);
        }
    }

    #[test]
    fn every_fact_has_one_hook() {
        let told = HOOKS.iter().map(|hook| hook.fact);
        assert_eq!(told.collect::<Vec<_>>(), Fact::ALL);
    }

    #[test]
    fn statistics_are_no_complaint() {
        let log = "R1 invalid mem access 'scalar'\nprocessed 12 insns\nstack depth 8\n";
        assert_eq!(log.lines().rev().find(is_complaint), Some("R1 invalid mem access 'scalar'"));
    }
}
