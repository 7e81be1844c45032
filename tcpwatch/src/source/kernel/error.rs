//! Why can the kernel not be watched at all, and what is the next step?

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};

use super::capabilities::{self, Capability, Lockdown};
use crate::btf::BtfError;

/// Nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{} is missing, and without it the kernel takes no programs from us. Run it as root (sudo tcpwatch rst), or \
         give the unit or container CAP_BPF and CAP_PERFMON (to watch), CAP_SYS_ADMIN, CAP_SYS_PTRACE, \
         CAP_DAC_READ_SEARCH (to look into other namespaces and processes) and CAP_NET_ADMIN (for conntrack)",
        .0.name()
    )]
    Capability(Capability),
    #[error(
        "the kernel refuses our programs although every capability is there: a seccomp filter of the container runtime \
         does that. Run it privileged, or with seccomp=unconfined"
    )]
    Filtered,
    #[error(
        "the kernel refuses our programs although every capability is there. Before Linux 5.11 it limits the memory \
         they may take: raise that limit (LimitMEMLOCK=infinity, ulimit -l unlimited) or give CAP_SYS_RESOURCE. Else a \
         seccomp filter of the container runtime does it: run it privileged, or with seccomp=unconfined"
    )]
    LimitedOrFiltered,
    #[error(
        "kernel lockdown is in confidentiality mode, which keeps kernel memory from every program. What remains are \
         the kernel's counters (nstat -az), sockets (ss -tan) and conntrack events (conntrack -E); to explain resets \
         boot with lockdown=integrity"
    )]
    LockedDown,
    #[error(
        "cannot read the kernel's type information (BTF) from {}. Use a kernel built with CONFIG_DEBUG_INFO_BTF=y, \
         or give the BTF of exactly this kernel with --btf FILE",
        path.display()
    )]
    NoBtf { path: PathBuf, source: io::Error },
    #[error("{} is not the type information (BTF) of a kernel", path.display())]
    BadBtf { path: PathBuf, source: BtfError },
    #[error("this kernel cannot carry tcpwatch: {0}")]
    Unsuitable(String),
    #[error("no hook could be attached: {}", .0.join("; "))]
    NothingAttached(Vec<String>),
}

/// What would make every hook fail, each on its own and with an empty log: better said once, before.
pub(super) fn refuse_hopeless() -> Result<(), OpenError> {
    if let Some(missing) = missing_to_watch() {
        return Err(OpenError::Capability(missing));
    }
    match Lockdown::read() {
        Lockdown::Confidentiality => Err(OpenError::LockedDown),
        Lockdown::None | Lockdown::Integrity | Lockdown::Unknown => Ok(()),
    }
}

/// bpf(2) said EPERM.
pub(super) fn not_permitted() -> OpenError {
    match missing_to_watch() {
        Some(missing) => OpenError::Capability(missing),
        None if getrlimit(Resource::Memlock).current.is_some() => OpenError::LimitedOrFiltered,
        None => OpenError::Filtered,
    }
}

/// A capability without which nothing is seen, and which this process lacks.
pub(super) fn missing_to_watch() -> Option<Capability> {
    let fatal = |missing: &Capability| matches!(missing, Capability::Bpf | Capability::Perfmon);
    capabilities::missing().into_iter().find(fatal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_the_next_step() {
        let path = PathBuf::from("/sys/kernel/btf/vmlinux");
        let source = io::Error::from(io::ErrorKind::NotFound);
        let text = OpenError::NoBtf { path, source }.to_string();
        assert!(text.contains("/sys/kernel/btf/vmlinux") && text.contains("--btf FILE"), "{text}");
        let text = OpenError::Capability(Capability::Perfmon).to_string();
        assert!(text.starts_with("CAP_PERFMON is missing") && text.contains("sudo"), "{text}");
        let text = OpenError::LimitedOrFiltered.to_string();
        assert!(text.contains("LimitMEMLOCK=infinity") && text.contains("seccomp"), "{text}");
        assert!(OpenError::LockedDown.to_string().contains("What remains"));
    }
}
