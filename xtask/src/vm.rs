//! `cargo xtask vm KERNEL… [-- FILTER]`: the scenarios on other kernels, in QEMU, without root.

mod apt;
mod coverage;
mod cpio;
mod initramfs;
mod kernel;
mod modules;
pub(crate) mod protocol;
mod qemu;
mod report;
mod sources;
mod tools;

pub(crate) use coverage::keep;
pub(crate) use report::{Report, print};

use crate::counts::Counts;
use crate::step::Steps;
use crate::{paths, scenarios};
use anyhow::{Context, Result, bail, ensure};
use cpio::Archive;
use kernel::Kernel;
use qemu::{Boot, Machine};
use std::fs;
use std::path::PathBuf;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// How long a guest may take, in seconds. Emulated, a whole run takes minutes, on a busy machine many.
const TIMEOUT: u64 = 2_000;

/// Guests that run at the same time. A scenario mostly waits or runs one program, so a guest seldom has use for the
/// second of its two processors; and CI has two.
const AT_ONCE: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Versions, such as 5.10 6.1 6.12 7.2: the newest Debian kernel of each
    #[arg(value_name = "KERNEL", required_unless_present = "kernel")]
    versions: Vec<String>,
    /// Only scenarios whose name contains this
    #[arg(last = true)]
    filter: Option<String>,
    /// A kernel image of your own
    #[arg(long, value_name = "VMLINUZ", requires = "modules")]
    kernel: Option<PathBuf>,
    /// The folder with that kernel's modules, such as /lib/modules/6.1.0
    #[arg(long, value_name = "DIR", requires = "kernel")]
    modules: Option<PathBuf>,
    /// Give a guest this many seconds
    #[arg(long, default_value_t = TIMEOUT)]
    timeout: u64,
    /// Write which causes were told on which kernel to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Boot this static program instead of the scenarios, to look at a guest by hand
    #[arg(long, hide = true)]
    init: Option<PathBuf>,
    #[arg(skip)]
    recording: Option<Recording>,
}

/// What a guest is asked for when its runs are to be kept.
#[derive(Clone)]
pub(crate) struct Recording {
    /// The file to get them, as `tests/scenarios/delivery.rs` sends them.
    pub(crate) to: PathBuf,
    /// Ways of attaching that tcpwatch is not to try, separated by commas.
    pub(crate) avoid: &'static str,
}

impl Args {
    /// All scenarios on some versions.
    pub(crate) fn for_kernels(versions: &[&str]) -> Self {
        let versions = versions.iter().map(|version| (*version).to_owned()).collect();
        let (filter, kernel, modules) = (None, None, None);
        let (report, init, recording) = (None, None, None);
        Self { versions, filter, kernel, modules, timeout: TIMEOUT, report, init, recording }
    }

    /// Some scenarios on one version, recorded. Nobody waits for it, so it may take its time.
    pub(crate) fn recorded(version: &str, filter: &str, recording: Recording) -> Self {
        let (filter, recording, timeout) = (Some(filter.to_owned()), Some(recording), 4 * TIMEOUT);
        Self { filter, timeout, recording, ..Self::for_kernels(&[version]) }
    }
}

/// The verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    let reports = add(&mut steps, args);
    print(&reports);
    keep(&mut steps, args.report.as_deref(), &reports);
    steps.finish()
}

/// The same as steps of `cargo xtask test`: one to build, one for each kernel.
pub(crate) fn add(steps: &mut Steps, args: &Args) -> Vec<Report> {
    let mut base = None;
    steps.run("vm: build the guest", &again(args, &args.versions.join(" ")), || {
        base = Some(guest(args)?);
        anyhow::Ok(())
    });
    let Some(base) = base else { return Vec::new() };
    let mut reports = Vec::new();
    for side_by_side in kernels(args).chunks(AT_ONCE) {
        let boots: Vec<_> =
            side_by_side.iter().map(|wanted| (wanted.name(), wanted.get())).collect();
        thread::scope(|scope| {
            let boots = boots.into_iter().map(|(name, kernel)| {
                let base = &base;
                (name, scope.spawn(move || run_on(&kernel?, base, args)))
            });
            for (name, boot) in boots.collect::<Vec<_>>() {
                steps.run(&format!("vm: {name}"), &again(args, &name), || {
                    followed(&name, boot, &mut reports)
                });
            }
        });
    }
    reports
}

/// A kernel to run on: one to be found, or files the user gave.
enum Wanted {
    Version(String),
    Files(Kernel),
}

impl Wanted {
    fn name(&self) -> String {
        match self {
            Self::Version(version) => version.clone(),
            Self::Files(kernel) => kernel.name.clone(),
        }
    }

    fn get(&self) -> Result<Kernel> {
        match self {
            Self::Version(version) => Kernel::of_version(version),
            Self::Files(kernel) => Ok(kernel.clone()),
        }
    }
}

fn kernels(args: &Args) -> Vec<Wanted> {
    let given = args.kernel.as_ref().zip(args.modules.as_ref());
    let given = given.map(|(image, modules)| Wanted::Files(Kernel::from_files(image, modules)));
    args.versions.iter().cloned().map(Wanted::Version).chain(given).collect()
}

fn again(args: &Args, kernel: &str) -> String {
    match (&args.kernel, &args.modules, &args.filter) {
        (Some(image), Some(modules), _) => {
            format!("cargo xtask vm --kernel {} --modules {}", image.display(), modules.display())
        }
        (_, _, Some(filter)) => format!("cargo xtask vm {kernel} -- {filter}"),
        _ => format!("cargo xtask vm {kernel}"),
    }
}

fn guest(args: &Args) -> Result<Archive> {
    kernel::refuse_other_hosts()?;
    if let Some(init) = &args.init {
        return initramfs::base(init, None);
    }
    let binaries = scenarios::build()?;
    initramfs::base(&binaries.scenarios, Some(&binaries.tcpwatch))
}

/// Waits for a guest to end.
fn followed(
    name: &str,
    boot: ScopedJoinHandle<'_, Result<Report>>,
    reports: &mut Vec<Report>,
) -> Result<Counts> {
    let start = Instant::now();
    match boot.join().unwrap_or_else(|_| bail!("the thread that followed {name} panicked")) {
        Ok(report) => {
            let counts = report.counts;
            reports.push(report);
            Ok(counts)
        }
        Err(error) => {
            reports.push(Report::broken(name, start.elapsed()));
            Err(error)
        }
    }
}

fn run_on(kernel: &Kernel, base: &Archive, args: &Args) -> Result<Report> {
    println!("   kernel {}", kernel.version);
    let initramfs = write_initramfs(kernel, base)?;
    let (parameters, timeout) = (parameters(args)?, Duration::from_secs(args.timeout));
    let serial = args.recording.as_ref().map(|recording| recording.to.as_path());
    let machine = Machine { kernel, initramfs: &initramfs, parameters: &parameters, serial };
    let (boot, retried) = with_one_retry(|| qemu::boot(&machine, timeout))?;
    if !boot.transcript.is_finished() {
        bail!("kernel {} gave no result: {}; its last lines say more", kernel.version, boot.why());
    }
    Ok(Report::new(&kernel.name, &kernel.version, boot.transcript, boot.took, retried))
}

fn write_initramfs(kernel: &Kernel, base: &Archive) -> Result<PathBuf> {
    let bytes = initramfs::with_modules(base.clone(), kernel)?;
    let file = paths::target().join(format!("initramfs-{}.cpio", kernel.version));
    fs::create_dir_all(paths::target())?;
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Emulated kernels now and then die while they boot. That is not our failure, so it gets a second boot, and a word.
fn with_one_retry(boot: impl Fn() -> Result<Boot>) -> Result<(Boot, bool)> {
    let first = boot()?;
    if first.transcript.begun || first.transcript.is_finished() || first.timed_out {
        return Ok((first, false));
    }
    println!("   the kernel died before our code ran; booting once more");
    Ok((boot()?, true))
}

/// Kernel parameters it does not know become the environment of /init.
fn parameters(args: &Args) -> Result<String> {
    let filter = args.filter.as_deref().unwrap_or_default();
    ensure!(
        !filter.contains(|c: char| c.is_whitespace() || c == '"'),
        "a filter for guests is one word: `{filter}`"
    );
    let filter =
        if filter.is_empty() { String::new() } else { format!(" TCPWATCH_FILTER={filter}") };
    let recording = args.recording.as_ref().map(Recording::parameters).unwrap_or_default();
    Ok(format!("PATH=/usr/sbin:/usr/bin:/sbin:/bin TCPWATCH=/bin/tcpwatch{filter}{recording}"))
}

impl Recording {
    fn parameters(&self) -> String {
        let avoid = if self.avoid.is_empty() { "" } else { " TCPWATCH_AVOID=" };
        format!(" TCPWATCH_RECORDINGS=/dev/ttyS1{avoid}{}", self.avoid)
    }
}
