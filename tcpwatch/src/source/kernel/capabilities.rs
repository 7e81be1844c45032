//! What may this process do, and what does the kernel forbid to everyone?

use std::fs;

use crate::doctor;

/// A capability that tcpwatch needs, or can make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    Bpf,
    Perfmon,
    NetAdmin,
    SysAdmin,
    SysPtrace,
    DacReadSearch,
}

impl Capability {
    pub const ALL: [Self; 6] = [
        Self::Bpf,
        Self::Perfmon,
        Self::NetAdmin,
        Self::SysAdmin,
        Self::SysPtrace,
        Self::DacReadSearch,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::Perfmon => "CAP_PERFMON",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
        }
    }

    /// What is lost without it, as a sentence.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Bpf => "Without it no eBPF program can be loaded, so no reset is seen.",
            Self::Perfmon => {
                "Without it eBPF programs cannot read kernel memory, so no reset is seen."
            }
            Self::NetAdmin => {
                "Without it conntrack events cannot be heard by netlink, and firewall rules stay nameless."
            }
            Self::SysAdmin => {
                "Without it other network namespaces cannot be entered, and what is in them stays unknown."
            }
            Self::SysPtrace => {
                "Without it namespaces that have no name, as of containers, are not found, and owners stay unknown."
            }
            Self::DacReadSearch => {
                "Without it the open files of other users' processes cannot be listed, so owners stay unknown."
            }
        }
    }

    /// Bit in `CapEff` (include/uapi/linux/capability.h).
    fn bit(self) -> u32 {
        match self {
            Self::DacReadSearch => 2,
            Self::NetAdmin => 12,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }

    /// CAP_SYS_ADMIN stands in for the two that were split off from it in 5.8 (include/linux/capability.h,
    /// `bpf_capable`, `perfmon_capable`), CAP_DAC_OVERRIDE for what opens directories (fs/namei.c,
    /// `generic_permission`).
    fn is_in(self, effective: u64) -> bool {
        let has = |bit: u32| effective & (1 << bit) != 0;
        let stand_in = match self {
            Self::Bpf | Self::Perfmon => has(Self::SysAdmin.bit()),
            Self::DacReadSearch => has(DAC_OVERRIDE),
            Self::NetAdmin | Self::SysAdmin | Self::SysPtrace => false,
        };
        has(self.bit()) || stand_in
    }
}

const DAC_OVERRIDE: u32 = 1;

/// The open files of all processes can be looked up, those of other users too (fs/proc/fd.c, `proc_fd_permission`,
/// `proc_fd_access_allowed`).
pub fn see_all_files() -> bool {
    let needed = [Capability::SysPtrace, Capability::DacReadSearch];
    !missing().iter().any(|missing| needed.contains(missing))
}

/// Those this process does not hold. All, when that cannot be read, or when what it holds counts only inside a user
/// namespace (rootless container): the kernel asks for them in the first one.
pub fn missing() -> Vec<Capability> {
    let effective = effective_here();
    Capability::ALL.into_iter().filter(|capability| !capability.is_in(effective)).collect()
}

/// All that matter, held or not.
pub fn all() -> Vec<doctor::Capability> {
    let effective = effective_here();
    let told = |capability: Capability| doctor::Capability {
        name: capability.name(),
        held: capability.is_in(effective),
        purpose: capability.purpose(),
    };
    Capability::ALL.map(told).into()
}

/// As a set of bits.
fn effective_here() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let users = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if is_first_user_namespace(&users) { effective(&status) } else { 0 }
}

/// The `CapEff` line; nothing when there is none.
fn effective(status: &str) -> u64 {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    hex.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// Only there all ids map to themselves (user_namespaces(7)).
fn is_first_user_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// How far the kernel is locked down, against root too (kernel_lockdown(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    None,
    /// Kernel memory may be read, not written.
    Integrity,
    /// Kernel memory may not be read either: no eBPF program of ours works.
    Confidentiality,
    /// securityfs is not mounted, or the kernel has no such thing.
    Unknown,
}

impl Lockdown {
    pub fn read() -> Self {
        let text = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        Self::parse(&text)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
            Self::Unknown => "unknown",
        }
    }

    /// The mode in force stands in brackets: `none [integrity] confidentiality`.
    fn parse(text: &str) -> Self {
        let chosen = text.split_whitespace().find_map(|word| word.strip_prefix('['));
        match chosen {
            Some("none]") => Self::None,
            Some("integrity]") => Self::Integrity,
            Some("confidentiality]") => Self::Confidentiality,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_as_held_or_missing() {
        let lost: Vec<_> = missing().into_iter().map(Capability::name).collect();
        for capability in all() {
            assert_eq!(capability.held, !lost.contains(&capability.name), "{}", capability.name);
        }
    }

    #[test]
    fn the_effective_set_decides() {
        let status = "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n";
        assert!(Capability::ALL.iter().all(|c| c.is_in(effective(status))));
        assert!(Capability::ALL.iter().all(|c| !c.is_in(effective(""))));
        assert_eq!(effective("CapEff:\tnonsense"), 0);
    }

    #[test]
    fn sys_admin_stands_in_for_bpf_and_perfmon_only() {
        let admin = 1 << Capability::SysAdmin.bit();
        let held = Capability::ALL.map(|c| c.is_in(admin));
        assert_eq!(held, [true, true, false, true, false, false]);
    }

    #[test]
    fn who_overrides_permissions_can_read_directories() {
        assert!(Capability::DacReadSearch.is_in(1 << DAC_OVERRIDE));
        assert!(!Capability::SysPtrace.is_in(1 << DAC_OVERRIDE));
    }

    #[test]
    fn root_in_a_user_namespace_is_not_root() {
        assert!(is_first_user_namespace("         0          0 4294967295\n"));
        assert!(!is_first_user_namespace("         0       1000          1\n"));
        assert!(!is_first_user_namespace(""));
    }

    #[test]
    fn the_lockdown_mode_is_the_one_in_brackets() {
        assert_eq!(Lockdown::parse("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(Lockdown::parse("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(
            Lockdown::parse("none integrity [confidentiality]\n"),
            Lockdown::Confidentiality
        );
        assert_eq!(Lockdown::parse(""), Lockdown::Unknown);
    }
}
