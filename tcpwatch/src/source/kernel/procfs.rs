//! Which processes are there, what are they called, and which of them holds a socket?
//!
//! Processes vanish between any two reads: everything here answers `None` or leaves out, and never fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::event::{Owner, Time, Workload};

/// Process ids, in the order of `/proc`: ascending.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What `ps -o comm` shows; bytes that are not UTF-8 are replaced.
pub fn command(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// Who a process is, as the owner of a socket. `None`: it is gone.
pub fn owner(pid: u32) -> Option<Owner> {
    let owner = Owner::named(pid, command(pid)?);
    let uid = status(pid).as_deref().and_then(uid);
    Some(Owner { cgroup: cgroup(pid), exe: exe(pid), uid, started: started(pid), ..owner })
}

/// The process that holds each of these socket inodes, found in one walk over `/proc/*/fd`.
///
/// A socket that several hold goes to the lowest pid, usually the parent; to pid 1 only when it is alone
/// (systemd keeps the sockets that it hands to services). Inodes that nobody holds are absent.
pub fn holders(inodes: &BTreeSet<u64>) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    if inodes.is_empty() {
        return found;
    }
    for pid in pids() {
        for inode in sockets(pid).filter(|inode| inodes.contains(inode)) {
            found.entry(inode).and_modify(|holder| pass_on(holder, pid)).or_insert(pid);
        }
    }
    found
}

/// Whether this process holds the socket.
pub fn holds(pid: u32, inode: u64) -> bool {
    sockets(pid).any(|held| held == inode)
}

/// Whether all processes of this host can be seen from here.
pub fn shows_all() -> bool {
    pid_namespace("self".as_ref()) == Some(INITIAL_PID_NAMESPACE)
}

/// Whether a living process, other than this one, may have this number in its own pid namespace.
pub fn bears(number: u32, other_than: u32) -> bool {
    if !shows_all() {
        return true;
    }
    let ours = Some(INITIAL_PID_NAMESPACE);
    let own_number = |pid: u32| {
        // Ours is most often theirs, and then nothing is to be read.
        let namespace = pid_namespace(pid.to_string().as_ref());
        if namespace == ours { Some(pid) } else { innermost(&status(pid)?) }
    };
    pids().filter(|pid| *pid != other_than).any(|pid| own_number(pid) == Some(number))
}

/// Where the files of this host may be: here, or where the first process lives (the host, when we are in its pid
/// namespace).
pub fn roots() -> Vec<PathBuf> {
    let mount = |pid| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let elsewhere = mount("1").is_some() && mount("1") != mount("self");
    let roots = if elsewhere { &["/", "/proc/1/root"][..] } else { &["/"] };
    roots.iter().map(PathBuf::from).collect()
}

fn pid_namespace(process: &Path) -> Option<u64> {
    linked_inode(&Path::new("/proc").join(process).join("ns/pid"), "pid")
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

/// `NSpid:` lists the numbers of a process, from our pid namespace inwards.
fn innermost(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

fn pass_on(holder: &mut u32, pid: u32) {
    if *holder == INIT {
        *holder = pid;
    }
}

/// Kernel threads have none, and processes of others may hide theirs.
fn exe(pid: u32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// `Uid:` lists the real, effective, saved and file system user ids.
fn uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When a process was started.
pub fn started(pid: u32) -> Option<Time> {
    started_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The 22nd field counts ticks since boot (fs/proc/array.c, `do_task_stat`). The second one is a name in brackets, in
/// which anything may stand.
fn started_in(stat: &str) -> Option<Time> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Some(Time(ticks.checked_mul(TICK)?))
}

/// Inodes of the sockets a process holds.
fn sockets(pid: u32) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| linked_inode(&entry.path(), "socket"))
}

/// The number in a link of the form `kind:[number]`.
pub fn linked_inode(link: &Path, kind: &str) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    let number = target.to_str()?.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// Path of a process below the cgroup root.
pub fn cgroup(pid: u32) -> Option<String> {
    cgroup_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?).map(str::to_owned)
}

/// Lines are `number:controllers:path`; `0::` is cgroup v2. On a host with both, services and containers may live in
/// v1 only, and then v2 says `/`, or knows no more than the service that started the container.
fn cgroup_in(text: &str) -> Option<&str> {
    let v2_first = || {
        let (v2, v1): (Vec<_>, Vec<_>) =
            text.lines().filter_map(cgroup_line).partition(|&(number, _)| number == "0");
        v2.into_iter().chain(v1).map(|(_, path)| path)
    };
    let contained = v2_first().find(|path| is_contained(path));
    contained.or_else(|| v2_first().find(|path| *path != "/")).or_else(|| v2_first().next())
}

fn is_contained(path: &str) -> bool {
    let workload = Workload::of(path);
    workload.container.is_some() || workload.pod.is_some()
}

/// Hierarchy number and path.
fn cgroup_line(line: &str) -> Option<(&str, &str)> {
    let (number, rest) = line.split_once(':')?;
    let (_controllers, path) = rest.split_once(':')?;
    Some((number, path))
}

const INIT: u32 = 1;
/// Nanoseconds in a tick of `/proc`: `USER_HZ` is 100 on all architectures we run on (include/asm-generic/param.h).
const TICK: u64 = 10_000_000;
/// `PROC_PID_INIT_INO` (include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::process;

    use super::*;

    #[test]
    fn the_holder_of_our_socket_is_us() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("/proc/self/fd/{}", socket.as_raw_fd());
        let inode = linked_inode(Path::new(&link), "socket").unwrap();
        assert_eq!(holders(&BTreeSet::from([inode]))[&inode], process::id());
        assert!(holds(process::id(), inode));
        drop(socket);
        assert!(holders(&BTreeSet::from([inode])).is_empty());
    }

    #[test]
    fn a_number_is_borne_by_who_has_it_for_itself() {
        assert!(bears(process::id(), u32::MAX));
        assert!(!bears(u32::MAX, 0));
        assert_eq!(innermost("Name:\tsh\nNSpid:\t4711\t17\n"), Some(17));
        assert_eq!(innermost("Name:\tsh\n"), None);
    }

    #[test]
    fn our_own_process_is_described() {
        let us = owner(process::id()).unwrap();
        let exe = std::env::current_exe().unwrap();
        assert_eq!(us.exe.as_deref(), exe.to_str());
        assert_eq!(us.uid, Some(rustix::process::getuid().as_raw()));
        assert!(us.started.is_some_and(|started| started <= super::super::clock::now()));
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let fields = "S 1 1 1 0 -1 4194560 1 0 0 0 3 1 0 0 20 0 1 0 1234 999 88";
        let hundredths = |stat: &str| started_in(stat).map(|started| started.0 / TICK);
        assert_eq!(hundredths(&format!("77 (nginx) {fields}")), Some(1234));
        assert_eq!(hundredths(&format!("77 (a) S 1 (b 9) {fields}")), Some(1234));
        assert_eq!(started_in("77 (nginx) S 1 1"), None);
        assert_eq!(uid("Name:\tsh\nUid:\t33\t0\t0\t0\n"), Some(33));
    }

    #[test]
    fn init_passes_a_socket_on() {
        let mut holder = INIT;
        pass_on(&mut holder, 40);
        pass_on(&mut holder, 41);
        assert_eq!(holder, 40);
    }

    #[test]
    fn a_process_that_is_gone_has_no_facts() {
        assert_eq!(owner(u32::MAX), None);
        assert_eq!(sockets(u32::MAX).count(), 0);
    }

    #[test]
    fn the_deepest_word_on_cgroups_is_v2_unless_it_knows_nothing() {
        assert_eq!(cgroup_in("0::/system.slice/a.service\n"), Some("/system.slice/a.service"));
        assert_eq!(cgroup_in("1:cpu:/\n0::/kubepods/pod1\n"), Some("/kubepods/pod1"));
        assert_eq!(cgroup_in("4:memory:/docker/1:2\n1:cpu:/\n0::/\n"), Some("/docker/1:2"));
        assert_eq!(cgroup_in("1:cpu:/\n0::/\n"), Some("/"));
        let pod = "/kubepods/besteffort/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let both = format!("2:cpu:/\n1:pids:{pod}\n0::/system.slice/containerd.service\n");
        assert_eq!(cgroup_in(&both), Some(pod));
        assert_eq!(cgroup_in("garbage\n"), None);
        assert_eq!(cgroup_in(""), None);
    }
}
