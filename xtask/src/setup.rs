//! `cargo xtask setup`: what is missing for building and testing, installed by package name.

use crate::ebpf::toolchain;
use crate::paths;
use crate::sh;
use crate::step::Steps;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct Args {
    /// Also what rebuilding the BPF object needs: a compiler for BPF, LLVM, and bpf-linker
    #[arg(long)]
    ebpf: bool,
}

impl Args {
    /// With the tools that rebuild the BPF object.
    pub(crate) fn with_ebpf() -> Self {
        Self { ebpf: true }
    }
}

/// Something that must be there, and the Debian package that brings it.
struct Need {
    /// A program, or with a slash a path.
    thing: &'static str,
    package: &'static str,
}

const TEST_TOOLS: &[Need] = &[
    need("cc", "gcc"),
    need("/usr/include/features.h", "libc6-dev"),
    need("nft", "nftables"),
    need("conntrack", "conntrack"),
    need("iptables", "iptables"),
    need("ipvsadm", "ipvsadm"),
    need("ip", "iproute2"),
    need("qemu-system-x86_64", "qemu-system-x86"),
    need("xz", "xz-utils"),
    need("zstd", "zstd"),
    need("tshark", "tshark"),
    need("python3", "python3"),
];

// Debian builds its browsers with these, so they are new on every supported release.
const EBPF_TOOLS: &[Need] = &[
    need("/usr/bin/rustc", "rustc-web"),
    need("/usr/lib/rustlib/x86_64-unknown-linux-gnu", "libstd-rust-web-dev"),
    need("/usr/lib/rustlib/bpfel-unknown-none", "libstd-rust-web-dev-bpf"),
    need("/usr/lib/llvm-22/bin/llvm-strip", "llvm-22"),
    need("/usr/lib/llvm-22/include/llvm-c/Core.h", "llvm-22-dev"),
    need("/usr/lib/llvm-22/lib/libPolly.a", "libpolly-22-dev"),
    need("/usr/include/zstd.h", "libzstd-dev"),
    need("/usr/include/zlib.h", "zlib1g-dev"),
    need("c++", "g++"),
];

const fn need(thing: &'static str, package: &'static str) -> Need {
    Need { thing, package }
}

/// The verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let mut steps = Steps::default();
    add(&mut steps, args);
    steps.finish()
}

/// The same steps as a part of `cargo xtask test`.
pub(crate) fn add(steps: &mut Steps, args: Args) {
    steps.run("setup: test tools", "cargo xtask setup", || install(TEST_TOOLS));
    steps.run("setup: DuckDB", "cargo xtask setup", install_duckdb);
    steps.run("setup: rustfmt and clippy", "cargo xtask setup", install_components);
    if args.ebpf {
        steps.run("setup: eBPF tools", "cargo xtask setup --ebpf", || install(EBPF_TOOLS));
        steps.run("setup: bpf-linker", "cargo xtask setup --ebpf", toolchain::install_linker);
    }
}

fn install(needs: &[Need]) -> Result<()> {
    let (there, missing): (Vec<&Need>, Vec<&Need>) = needs.iter().partition(|need| need.is_there());
    if !there.is_empty() {
        println!("   already there: {}", listed(&there, |need| need.thing));
    }
    if missing.is_empty() {
        return Ok(());
    }
    if sh::which("apt-get").is_none() {
        let things = listed(&missing, |need| need.thing);
        let packages = listed(&missing, |need| need.package);
        bail!(
            "missing: {things}. Install them with this system's package manager (on Debian: {packages})"
        );
    }
    apt_install(&missing.iter().map(|need| need.package).collect::<Vec<_>>())
}

fn listed(needs: &[&Need], name: impl Fn(&Need) -> &str) -> String {
    needs.iter().map(|need| name(need)).collect::<Vec<_>>().join(", ")
}

/// Installs packages without a question.
fn apt_install(packages: &[&str]) -> Result<()> {
    println!("   installing by apt: {}", packages.join(", "));
    // One broken source of the machine must not stop us: whether the packages come is what counts.
    if let Err(error) = sh::run(apt().args(["-qq", "update"])) {
        println!("   note: {error:#}");
    }
    let mut apt = apt();
    apt.args(["-qq", "install", "--yes", "--no-install-recommends"]).args(packages);
    // dpkg tells every file it touches; what matters comes on standard error.
    sh::run(apt.stdout(std::process::Stdio::null()))
        .context("apt could not install what is missing; install it by hand, then repeat this")
}

fn apt() -> Command {
    let mut apt =
        sh::as_root(&[("DEBIAN_FRONTEND", "noninteractive".as_ref())], "apt-get".as_ref());
    apt.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .stdin(std::process::Stdio::null());
    apt
}

/// DuckDB reads what we export. Debian has no package of it on every release, so it comes as a Python module, in an
/// environment of its own beside what cargo builds: nothing of the system changes.
fn install_duckdb() -> Result<()> {
    let environment = paths::target().join("python");
    let python = environment.join("bin/python");
    if sh::read(&mut sh::cmd(&python, ["-c", "import duckdb"])).is_ok() {
        println!("   already there: DuckDB");
        return Ok(());
    }
    let make = || sh::read(sh::cmd("python3", ["-m", "venv"]).arg(&environment));
    // Debian splits Python: the module may be there without what it needs.
    if make().is_err() {
        apt_install(&["python3-venv"])?;
        make()?;
    }
    sh::run(&mut sh::cmd(&python, ["-m", "pip", "install", "--quiet", "duckdb"]))
        .context("pip could not install DuckDB, which reads our exports in tests")
}

/// rustfmt and clippy come from rustup or, without it, from Debian's packages.
fn install_components() -> Result<()> {
    let missing: Vec<_> =
        [("fmt", "rustfmt", "rustfmt-web"), ("clippy", "clippy", "rust-web-clippy")]
            .into_iter()
            .filter(|(verb, ..)| sh::read(sh::cargo().args([verb, "--version"])).is_err())
            .collect();
    if missing.is_empty() {
        println!("   already there: rustfmt, clippy");
        return Ok(());
    }
    if sh::which("rustup").is_some() {
        let components = missing.iter().map(|(_, component, _)| *component);
        return sh::run(sh::cmd("rustup", ["component", "add"]).args(components));
    }
    apt_install(&missing.iter().map(|(.., package)| *package).collect::<Vec<_>>())
}

impl Need {
    fn is_there(&self) -> bool {
        if self.thing.starts_with('/') {
            Path::new(self.thing).exists()
        } else {
            sh::which(self.thing).is_some()
        }
    }
}
