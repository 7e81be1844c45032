//! Why can the kernel not be watched at all, and what is the next step?

use std::path::PathBuf;
use std::{fs, io};

use crate::btf::BtfError;

/// Nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "cannot read the kernel's type information from {}: {source}; \
         give it by `--btf FILE`, made for this very kernel (bpftool, or the vmlinux of its debug package)",
        path.display()
    )]
    NoBtf { path: PathBuf, source: io::Error },
    #[error("{} is not the type information of a kernel: {source}", path.display())]
    BadBtf { path: PathBuf, source: BtfError },
    #[error("not permitted to watch the kernel: {0}")]
    NotPermitted(String),
    #[error(
        "the kernel is locked down for confidentiality (/sys/kernel/security/lockdown), so no program may \
         read its memory; boot with `lockdown=integrity` or less to watch it"
    )]
    LockedDown,
    #[error("this kernel cannot carry tcpwatch: {0}")]
    Unsuitable(String),
    #[error("no hook could be attached: {}", .0.join("; "))]
    NothingAttached(Vec<String>),
}

/// Kernels that are locked down for confidentiality refuse each program on its own, with an empty log.
pub(super) fn refuse_lockdown() -> Result<(), OpenError> {
    let mode = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if mode.contains("[confidentiality]") { Err(OpenError::LockedDown) } else { Ok(()) }
}

/// What is missing, when bpf(2) says EPERM.
pub(super) fn not_permitted() -> OpenError {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    OpenError::NotPermitted(match missing_capabilities(effective(&status)).as_slice() {
        [] => {
            "bpf(2) refuses although every capability is there; a seccomp filter of the container \
               runtime does that, so run with `seccomp=unconfined` or privileged"
                .to_owned()
        }
        missing => format!("{} missing; run as root, or grant them", missing.join(" and ")),
    })
}

/// Whether this process could be refused for lack of a capability.
pub(super) fn lacks_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    !missing_capabilities(effective(&status)).is_empty()
}

fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

/// CAP_SYS_ADMIN stands for both others, and for all before 5.8.
fn missing_capabilities(effective: u64) -> Vec<&'static str> {
    let lacks = |bit: u32| effective & 1 << bit == 0;
    let needed = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
    needed
        .into_iter()
        .filter(|(bit, _)| lacks(CAP_SYS_ADMIN) && lacks(*bit))
        .map(|(_, name)| name)
        .collect()
}

/// include/uapi/linux/capability.h.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named() {
        let user = effective("Name:\tcat\nCapEff:\t0000000000000000\n");
        assert_eq!(missing_capabilities(user), ["CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(missing_capabilities(1 << CAP_BPF), ["CAP_PERFMON"]);
        assert!(missing_capabilities(1 << CAP_SYS_ADMIN).is_empty());
        assert!(missing_capabilities(effective("CapEff:\t000001ffffffffff\n")).is_empty());
    }

    #[test]
    fn errors_tell_the_next_step() {
        let path = PathBuf::from("/sys/kernel/btf/vmlinux");
        let source = io::Error::from(io::ErrorKind::NotFound);
        let text = OpenError::NoBtf { path, source }.to_string();
        assert!(text.contains("/sys/kernel/btf/vmlinux") && text.contains("--btf FILE"), "{text}");
    }
}
