//! What would make every hook fail, said in one sentence before any of them is tried.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Options;

/// Why this host cannot be watched, and the next step.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error(
        "{capability} is missing, and without it the kernel takes no programs from us. Run it as root (sudo tcpwatch rst), \
         or give the unit or container CAP_BPF and CAP_PERFMON (to watch), CAP_NET_ADMIN, CAP_SYS_ADMIN and \
         CAP_SYS_PTRACE (to look into other namespaces and processes)"
    )]
    Capability { capability: &'static str },

    #[error(
        "the kernel has no type information (BTF): there is no {}. Use a kernel built with CONFIG_DEBUG_INFO_BTF=y, \
         or give the BTF of exactly this kernel with --btf FILE",
        path.display()
    )]
    NoBtf { path: PathBuf },

    #[error("cannot read the BTF file {}: {error}. Give --btf a readable file", path.display())]
    UnreadableBtf { path: PathBuf, error: io::Error },

    #[error(
        "kernel lockdown is in confidentiality mode, which keeps kernel memory from every program. What remains are \
         the kernel's counters (nstat -az), sockets (ss -tan) and conntrack events (conntrack -E); to explain resets \
         boot with lockdown=integrity"
    )]
    Confidential,
}

/// Looks at what every hook needs.
pub fn check(options: &Options) -> Result<(), Refusal> {
    check_capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default())?;
    check_lockdown(&fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default())?;
    check_btf(options.btf.as_deref(), Path::new("/sys/kernel/btf/vmlinux"))
}

/// `CapEff` of `/proc/self/status`; a kernel that does not show it is asked by trying.
fn check_capabilities(status: &str) -> Result<(), Refusal> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(effective) = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()) else {
        return Ok(());
    };
    let has = |number: u32| effective & (1 << number) != 0;
    let missing = |(number, _): &&(u32, &str)| !has(*number) && !has(SYS_ADMIN);
    match NEEDED.iter().find(missing) {
        Some((_, capability)) => Err(Refusal::Capability { capability }),
        None => Ok(()),
    }
}

/// The mode in force stands in brackets: `none integrity [confidentiality]`.
fn check_lockdown(modes: &str) -> Result<(), Refusal> {
    if modes.contains("[confidentiality]") { Err(Refusal::Confidential) } else { Ok(()) }
}

fn check_btf(given: Option<&Path>, kernel: &Path) -> Result<(), Refusal> {
    match given {
        Some(path) => fs::File::open(path)
            .map(drop)
            .map_err(|error| Refusal::UnreadableBtf { path: path.into(), error }),
        None if kernel.exists() => Ok(()),
        None => Err(Refusal::NoBtf { path: kernel.into() }),
    }
}

/// include/uapi/linux/capability.h; `CAP_SYS_ADMIN` stands for both.
const NEEDED: [(u32, &str); 2] = [(39, "CAP_BPF"), (38, "CAP_PERFMON")];
const SYS_ADMIN: u32 = 21;

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(effective: u64) -> Option<String> {
        let status = format!("Name:\ttcpwatch\nCapPrm:\t0\nCapEff:\t{effective:016x}\n");
        check_capabilities(&status).err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn a_missing_capability_is_named() {
        assert!(capabilities(0).unwrap().starts_with("CAP_BPF is missing"));
        assert!(capabilities(1 << 39).unwrap().starts_with("CAP_PERFMON is missing"));
        assert_eq!(capabilities(1 << 39 | 1 << 38), None);
        assert_eq!(capabilities(1 << SYS_ADMIN), None);
        assert!(check_capabilities("").is_ok(), "not known: the kernel will say");
    }

    #[test]
    fn only_confidentiality_stands_in_the_way() {
        assert!(check_lockdown("none [integrity] confidentiality").is_ok());
        assert!(check_lockdown("").is_ok());
        let said = check_lockdown("none integrity [confidentiality]").unwrap_err().to_string();
        assert!(said.contains("What remains"), "{said}");
    }

    #[test]
    fn missing_btf_is_named_with_the_way_out() {
        let said = check_btf(None, Path::new("/no/btf")).unwrap_err().to_string();
        assert!(said.contains("there is no /no/btf") && said.contains("--btf FILE"), "{said}");
        let said = check_btf(Some(Path::new("/no/file")), Path::new("/")).unwrap_err().to_string();
        assert!(said.contains("cannot read the BTF file /no/file"), "{said}");
        assert!(check_btf(None, Path::new("/")).is_ok());
    }
}
