//! Programs of this host that scenarios use in the guest, together with their shared libraries and plugins.

use super::cpio::Archive;
use crate::{paths, sh};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Programs by name; one that is missing here is reported, and missed by its scenarios.
const PROGRAMS: &[&str] =
    &["nft", "conntrack", "ip", "ss", "ipvsadm", "xtables-nft-multi", "xtables-legacy-multi"];

/// One program that answers to many names, as `iptables-nft` and `iptables-legacy` do.
const FAMILIES: &[(&str, &[&str])] = &[
    ("xtables-nft-multi", &["iptables", "ip6tables", "iptables-nft", "ip6tables-nft"]),
    ("xtables-legacy-multi", &["iptables-legacy", "ip6tables-legacy"]),
];

/// Where iptables looks for its matches and targets, by distribution.
const PLUGINS: &[&str] =
    &["/usr/lib/x86_64-linux-gnu/xtables", "/usr/lib64/xtables", "/usr/lib/xtables"];

/// Small files that make names work.
const TABLES: &[&str] = &["/etc/protocols", "/etc/services"];

/// Further absolute paths, one per line, that scenarios ask for.
const EXTRA: &str = "tests/scenarios/guest-files.txt";

/// Puts everything into the archive at the paths it has here. Returns what this host does not have.
pub(crate) fn add(archive: &mut Archive) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for name in PROGRAMS {
        match sh::which(name) {
            Some(path) => add_program(archive, name, &path)?,
            None => missing.push((*name).to_owned()),
        }
    }
    for file in plugins().iter().chain(&extra()).chain(&tables()) {
        if file.is_file() {
            add_file(archive, file)?;
        } else {
            missing.push(file.display().to_string());
        }
    }
    Ok(missing)
}

fn add_program(archive: &mut Archive, name: &str, path: &Path) -> Result<()> {
    add_file(archive, path)?;
    let names =
        FAMILIES.iter().find(|(program, _)| *program == name).map_or(&[][..], |(_, names)| names);
    for family in names {
        for suffix in ["", "-save", "-restore"] {
            archive.link(&path.with_file_name(format!("{family}{suffix}")).to_string_lossy(), name);
        }
    }
    Ok(())
}

/// A file with the libraries it needs.
fn add_file(archive: &mut Archive, path: &Path) -> Result<()> {
    let name = path.to_string_lossy();
    if archive.has(&name) {
        return Ok(());
    }
    let content = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let permissions = fs::metadata(path)?.permissions().mode() & 0o777;
    archive.file(&name, permissions, &content);
    if content.starts_with(b"\x7fELF") {
        libraries(path)?.iter().try_for_each(|library| add_file(archive, library))?;
    }
    Ok(())
}

/// What the dynamic linker would load, itself included; a static program needs nothing.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = sh::cmd("ldd", [program])
        .output()
        .context("cannot start ldd, which finds shared libraries")?;
    Ok(parse_ldd(&String::from_utf8_lossy(&output.stdout)))
}

/// `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux.so.2 (0x…)`.
fn parse_ldd(output: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let line = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
        line.starts_with('/').then(|| line.split(" (").next().map(PathBuf::from)).flatten()
    };
    output.lines().filter_map(path).collect()
}

fn plugins() -> Vec<PathBuf> {
    let dir = PLUGINS.iter().map(Path::new).find(|dir| dir.is_dir());
    let entries = dir.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    // Those for bridges and ARP are of no use here.
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with("libebt_") && !name.starts_with("libarpt_")
    };
    entries.map(|entry| entry.path()).filter(wanted).collect()
}

fn extra() -> Vec<PathBuf> {
    let text = fs::read_to_string(paths::root().join(EXTRA)).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from).collect()
}

fn tables() -> Vec<PathBuf> {
    TABLES.iter().map(PathBuf::from).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_ldd;
    use std::path::Path;

    #[test]
    fn libraries_are_read_from_ldd() {
        let output = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\
                      \tlibgone.so => not found\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f01)\n";
        let expected =
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(Path::new);
        assert_eq!(parse_ldd(output), expected);
        assert!(parse_ldd("\tstatically linked\n").is_empty());
    }
}
