//! A user who may do little: nobody, with a few capabilities and no way to more.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_keepcaps;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// A capability, by its bit (include/uapi/linux/capability.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Capability {
    DacReadSearch = 2,
    NetAdmin = 12,
    SysPtrace = 19,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

/// As the lines `Cap…` of `/proc/PID/status` show them.
pub fn set_of(capabilities: &[Capability]) -> u64 {
    capabilities.iter().fold(0, |set, capability| set | 1 << *capability as u32)
}

/// The user and the group that own nothing.
pub const NOBODY: u32 = 65_534;

/// Starts the command as nobody, with exactly these, and with as much memory for eBPF as root may take.
pub(crate) fn restrict(command: &mut Command, capabilities: &[Capability]) {
    let set = set_of(capabilities);
    // SAFETY: between fork and exec the closure makes system calls and touches no lock or heap.
    unsafe { command.pre_exec(move || become_nobody(set)) };
}

fn become_nobody(set: u64) -> io::Result<()> {
    lock_any_memory();
    (0..u64::BITS).filter(|bit| set & 1 << bit == 0).try_for_each(never_again)?;
    set_keepcaps(true)?;
    setgroups(&[])?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    hold(set)?;
    (0..u64::BITS).filter(|bit| set & 1 << bit != 0).try_for_each(through_exec)?;
    Ok(())
}

/// Before 5.11 the kernel counts what programs take against this limit; who may not raise it, has a newer kernel.
fn lock_any_memory() {
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the struct is alive until the call returns.
    let _ = Errno::result(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) });
}

/// Takes it from the bounding set. Bits the kernel does not know are in no set.
fn never_again(bit: u32) -> io::Result<()> {
    // SAFETY: this option takes a number.
    match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, bit, 0, 0, 0) }) {
        Ok(_) | Err(Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Keeps it through exec, though the file has none.
fn through_exec(bit: u32) -> io::Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE;
    // SAFETY: this option takes numbers.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, bit, 0, 0) })?;
    Ok(())
}

/// capset(2): effective, permitted and inheritable, lower half first.
fn hold(set: u64) -> io::Result<()> {
    let header = [VERSION_3, 0];
    let [low, high] = halves(set);
    let data = [low, low, low, high, high, high];
    // SAFETY: both pointers are of arrays laid out as the call wants them, alive until it returns.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "that is what a half is")]
fn halves(set: u64) -> [u32; 2] {
    [set as u32, (set >> 32) as u32]
}

/// _LINUX_CAPABILITY_VERSION_3.
const VERSION_3: u32 = 0x2008_0522;
