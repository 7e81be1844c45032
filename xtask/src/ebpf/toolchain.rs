//! The compiler, linker and tools that make the BPF object, and their versions.
//! They belong together: a linker with an older LLVM than the compiler's makes broken BTF without a word.

use crate::{paths, sh};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The LLVM that compiler and linker share.
pub(crate) const LLVM: &str = "22";
/// The bpf-linker that the committed object is made with.
pub(crate) const LINKER: &str = "0.13.0";
/// The target we compile for.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Everything needed to build the object.
pub(crate) struct Toolchain {
    pub(crate) rustc: PathBuf,
    /// The compiler brings no core for BPF: build it from source (nightly only).
    pub(crate) build_std: bool,
    pub(crate) linker: PathBuf,
    pub(crate) versions: Versions,
}

/// What the committed object says it was made with. Equal versions make equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) rustc: String,
    pub(crate) bpf_linker: String,
    pub(crate) llvm: String,
}

/// Finds the toolchain as it is installed now; installs nothing.
pub(crate) fn find() -> Result<Toolchain> {
    let (rustc, build_std) = find_rustc()?;
    let linker = linker_path()?;
    if !linker.exists() {
        bail!("bpf-linker is missing: run `cargo xtask setup --ebpf`");
    }
    let versions = Versions {
        rustc: rustc_version(&rustc)?,
        bpf_linker: sh::read(&mut sh::cmd(&linker, ["--version"]))?,
        llvm: sh::read(&mut sh::cmd(llvm_tool("llvm-config"), ["--version"]))?,
    };
    Ok(Toolchain { rustc, build_std, linker, versions })
}

/// A program of the LLVM that bpf-linker is built with.
pub(crate) fn llvm_tool(name: &str) -> PathBuf {
    Path::new(LLVM_PREFIX).join("bin").join(name)
}

/// Builds bpf-linker into our cache, unless it is there.
pub(crate) fn install_linker() -> Result<()> {
    let linker = linker_path()?;
    if linker.exists() {
        println!("   already there: {}", linker.display());
        return Ok(());
    }
    println!("   building bpf-linker {LINKER} for LLVM {LLVM}; this takes some minutes");
    let mut cargo = sh::cargo();
    cargo.env("LLVM_PREFIX", LLVM_PREFIX);
    cargo.args(["install", "bpf-linker", "--version", LINKER, "--no-default-features"]);
    cargo
        .arg(format!("--features=llvm-{LLVM}"))
        .arg("--root")
        .arg(paths::cache()?.join("bpf-linker"));
    sh::run(&mut cargo)
        .context("bpf-linker does not build; the committed BPF object still works as it is")
}

fn linker_path() -> Result<PathBuf> {
    Ok(paths::cache()?.join("bpf-linker/bin/bpf-linker"))
}

/// Debian's rustc with its prebuilt core for BPF; elsewhere rustup's nightly with the core's source.
fn find_rustc() -> Result<(PathBuf, bool)> {
    let debian = Path::new(DEBIAN_RUSTC);
    if debian.exists() && sysroot(debian)?.join("lib/rustlib").join(TARGET).exists() {
        return Ok((debian.into(), false));
    }
    let nightly = sh::read(&mut sh::cmd("rustup", ["which", "--toolchain", "nightly", "rustc"]));
    if let Ok(nightly) = nightly.map(PathBuf::from)
        && sysroot(&nightly)?.join("lib/rustlib/src/rust/library/core").exists()
    {
        return Ok((nightly, true));
    }
    bail!(
        "no compiler for BPF: run `cargo xtask setup --ebpf` on Debian, \
         or `rustup toolchain install nightly --component rust-src` elsewhere"
    )
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    Ok(sh::read(&mut sh::cmd(rustc, ["--print", "sysroot"]))?.into())
}

/// The first line of `rustc -vV` and its LLVM, which must be the linker's.
fn rustc_version(rustc: &Path) -> Result<String> {
    let verbose = sh::read(&mut sh::cmd(rustc, ["-vV"]))?;
    let llvm =
        verbose.lines().find_map(|line| line.strip_prefix("LLVM version: ")).unwrap_or("unknown");
    if llvm.split('.').next() != Some(LLVM) {
        bail!(
            "{} speaks LLVM {llvm}, bpf-linker LLVM {LLVM}: install a rustc with LLVM {LLVM}",
            rustc.display()
        );
    }
    let first = verbose.lines().next().unwrap_or_default();
    Ok(format!("{first}, LLVM {llvm}"))
}
