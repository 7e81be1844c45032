//! `cargo xtask ebpf`: rebuilds the BPF object that is committed with the sources, so that nobody who only
//! runs tcpwatch needs a compiler for BPF. `--check` says whether object and sources still agree.

mod inputs;
mod label;
pub(crate) mod toolchain;

use crate::step::Steps;
use crate::{paths, setup, sh};
use anyhow::{Context, Result, bail, ensure};
use label::Label;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toolchain::{TARGET, Toolchain};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only say whether the committed object is fresh
    #[arg(long)]
    check: bool,
}

/// The verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    if args.check {
        steps.run("BPF object is fresh", "cargo xtask ebpf --check", check);
        return steps.finish();
    }
    if toolchain::find().is_err() {
        setup::add(&mut steps, setup::Args::with_ebpf());
    }
    steps.run("build the BPF object", "cargo xtask ebpf", write);
    steps.finish()
}

/// Fails when the object is not made from these sources; compares bytes where the toolchain is the same.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(committed("toml"))
        .context("no BPF object yet; run `cargo xtask ebpf`")?;
    let label = Label::parse(&text)?;
    let object = fs::read(committed("o")).context("no BPF object yet; run `cargo xtask ebpf`")?;
    ensure!(
        label.inputs == inputs::hash()?,
        "sources changed since the object was built; run `cargo xtask ebpf`"
    );
    ensure!(
        label.object == inputs::hash_of(&object),
        "the object is not the one described beside it; run `cargo xtask ebpf`"
    );
    match toolchain::find() {
        Ok(tools) if tools.versions == label.versions => {
            ensure!(
                build(&tools)? == object,
                "the same toolchain builds other bytes; run `cargo xtask ebpf`"
            );
            println!("   rebuilt: the bytes are the same");
        }
        Ok(_) => println!(
            "   bytes not compared: another toolchain is installed ({})",
            label.versions.rustc
        ),
        Err(why) => println!("   bytes not compared: {why:#}"),
    }
    Ok(())
}

fn write() -> Result<()> {
    let tools = toolchain::find()?;
    let object = build(&tools)?;
    let label = Label {
        inputs: inputs::hash()?,
        object: inputs::hash_of(&object),
        versions: tools.versions,
    };
    let place = committed("o");
    fs::create_dir_all(place.parent().unwrap_or(&place))?;
    fs::write(&place, &object).with_context(|| format!("cannot write {}", place.display()))?;
    fs::write(committed("toml"), label.text())?;
    println!("   {} ({} bytes)", place.display(), object.len());
    Ok(())
}

fn committed(kind: &str) -> PathBuf {
    paths::root().join(format!("tcpwatch/bpf/tcpwatch.{ARCH}.{kind}"))
}

/// Compiles, strips and inspects; returns the object.
fn build(tools: &Toolchain) -> Result<Vec<u8>> {
    // Before the flags are made: they name the folder where cargo unpacks dependencies.
    sh::run(sh::cargo().args(["fetch", "--quiet", "--locked"]))?;
    sh::run(&mut compile(tools))?;
    let built = target().join(TARGET).join("release/tcpwatch");
    let stripped = built.with_extension("o");
    let mut strip = sh::cmd(toolchain::llvm_tool("llvm-objcopy"), STRIP);
    sh::run(strip.args([&built, &stripped]))?;
    refuse_panics(&stripped)?;
    let object =
        fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))?;
    refuse_paths(&object)?;
    Ok(object)
}

/// Without DWARF, and without the relocations of BTF, which a loader of a linked object never reads.
const STRIP: [&str; 3] =
    ["--strip-debug", "--remove-section=.rel.BTF", "--remove-section=.rel.BTF.ext"];

fn target() -> PathBuf {
    paths::target().join("bpf")
}

fn compile(tools: &Toolchain) -> Command {
    let mut cargo = sh::cargo();
    cargo.env("RUSTC", &tools.rustc).env("CARGO_ENCODED_RUSTFLAGS", flags().join("\x1f"));
    cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &tools.linker);
    cargo.env_remove("RUSTC_WRAPPER").env_remove("RUSTC_WORKSPACE_WRAPPER");
    // By crate name: this unlocks the one unstable feature of aya-ebpf, and nothing for anyone else.
    cargo.env("RUSTC_BOOTSTRAP", "aya_ebpf");
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "tcpwatch-ebpf",
        "--target",
        TARGET,
    ]);
    // The linker makes BTF from debug information, so cargo must not strip it on the way.
    cargo.args(["--config", "profile.release.strip=false", "--target-dir"]).arg(target());
    if tools.build_std {
        cargo.env_remove("RUSTC_BOOTSTRAP").arg("-Zbuild-std=core");
    }
    cargo
}

fn flags() -> Vec<String> {
    let fixed = [&format!("--cfg=bpf_target_arch=\"{ARCH}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"];
    let mut flags: Vec<String> = fixed.into_iter().map(ToOwned::to_owned).collect();
    flags.push(remap(&paths::root(), "/tcpwatch"));
    flags.extend(unpacked().iter().map(|dir| remap(dir, "/registry")));
    flags
}

/// BTF holds file names: without this the object would differ from machine to machine.
fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// The folders with unpacked dependencies, one per registry.
fn unpacked() -> Vec<PathBuf> {
    let Some(sources) = paths::cargo_home().map(|home| home.join("registry/src")) else {
        return Vec::new();
    };
    let entries = fs::read_dir(sources).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A reachable panic is a loop without end, which every kernel refuses to load.
fn refuse_panics(object: &Path) -> Result<()> {
    let symbols = sh::read(sh::cmd(toolchain::llvm_tool("llvm-nm"), ["--demangle"]).arg(object))?;
    let guilty: Vec<&str> = symbols.lines().filter(|line| is_panic(line)).collect();
    if !guilty.is_empty() {
        bail!(
            "the object can panic, so no kernel will load it; use get() or a mask instead:\n{}",
            guilty.join("\n")
        );
    }
    Ok(())
}

fn is_panic(symbol: &str) -> bool {
    ["panic", "rust_begin_unwind", "unwrap_failed", "expect_failed"]
        .iter()
        .any(|word| symbol.contains(word))
}

fn refuse_paths(object: &[u8]) -> Result<()> {
    for path in [Some(paths::root()), paths::cargo_home()].into_iter().flatten() {
        let needle = path.as_os_str().as_encoded_bytes();
        if object.windows(needle.len()).any(|bytes| bytes == needle) {
            bail!(
                "the object names {}, so it cannot be rebuilt elsewhere; extend the remapping in ebpf.rs",
                path.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_panic;

    #[test]
    fn panic_machinery_is_recognised_by_symbol() {
        assert!(is_panic("0000 t core::panicking::panic_bounds_check"));
        assert!(!is_panic("0000 T rst_sent_v4_fentry"));
    }
}
