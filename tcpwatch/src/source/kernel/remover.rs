//! Who asked the kernel to remove a conntrack entry?
//!
//! The kernel names the netlink port of the requester. It is not always a pid: the first socket of a process gets
//! its pid *as its own pid namespace counts*, further ones get a random number (net/netlink/af_netlink.c,
//! `netlink_autobind`). In a pod, port 1 is not the host's init. So the port is looked up among the sockets of the
//! namespace, and its inode among the files of the processes. That works only while the requester lives, which is
//! long enough when its message is read at once, and seldom when it is read 10 ms later (6.18, `conntrack -F`).
//!
//! What an eBPF side could add for requesters that are gone (`conntrack -F` lives for 2 ms): an LRU map of some
//! 1 024 entries, filled at tp_btf `sched_process_exit` by group leaders only (`task->pid == task->tgid`), with
//! key = (pid as seen in the task's own pid namespace, network namespace of `task->nsproxy` **before** it is
//! dropped: the tracepoint fires ahead of `exit_task_namespaces`, kernel/exit.c `do_exit`), value = (pid as we see
//! it, comm). Its look-up is the `of_the_dead` parameter here.

use std::fs;

use super::netns::Place;
use super::procfs;
use crate::event::{NetNs, Remover};

/// The requester behind a netlink port of this namespace. `of_the_dead` knows the commands of processes that have
/// ended lately, by namespace and by pid as that process itself saw it.
pub(super) fn find(
    place: &Place,
    portid: u32,
    of_the_dead: &mut dyn FnMut(NetNs, u32) -> Option<String>,
) -> Remover {
    let dead = || match portid {
        ..=PID_MAX_LIMIT => Remover { pid: portid, command: of_the_dead(place.netns, portid) },
        _ => Remover { pid: 0, command: None },
    };
    living(place, portid).unwrap_or_else(dead)
}

fn living(place: &Place, portid: u32) -> Option<Remover> {
    // First, as it may end at any moment.
    let command = procfs::command(portid);
    let table = place.enter(|| fs::read_to_string("/proc/thread-self/net/netlink"));
    let inode = table.ok().and_then(Result::ok).and_then(|table| inode_of(portid, &table));
    match inode.and_then(|inode| holder(portid, inode)) {
        Some(pid) => Some(Remover { pid, command: procfs::command(pid).or(command) }),
        None => dying(portid, command),
    }
}

/// It ended while we looked, together with its socket: hardly a stranger that has the same number.
fn dying(pid: u32, command: Option<String>) -> Option<Remover> {
    let is_gone = procfs::command(pid).is_none();
    command.filter(|_| is_gone).map(|command| Remover { pid, command: Some(command) })
}

/// The likely process first; then all, the newest first: tools are short-lived.
fn holder(portid: u32, inode: u64) -> Option<u32> {
    let mut pids: Vec<_> = procfs::pids().collect();
    pids.push(portid);
    pids.into_iter().rev().find(|&pid| procfs::holds(pid, inode))
}

/// Columns of `/proc/net/netlink`: sk, Eth (protocol), Pid (port), Groups, Rmem, Wmem, Dump, Locks, Drops, Inode.
fn inode_of(portid: u32, table: &str) -> Option<u64> {
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let mut rows = rows.filter(|row| row.get(1) == Some(&NETLINK_NETFILTER));
    let row = rows.find(|row| row.get(2).and_then(|port| port.parse().ok()) == Some(portid))?;
    row.get(9)?.parse().ok()
}

const NETLINK_NETFILTER: &str = "12";
/// No pid is higher (include/linux/threads.h, 64 bit).
const PID_MAX_LIMIT: u32 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
00000000a9a51e1b 0   4242       00000000 0        0        0     2        0        11
00000000c40ba2b4 12  4242       00000000 0        0        0     2        0        22
0000000055c9aa2c 12  4006926495 00000000 0        0        0     2        0        33
";

    #[test]
    fn a_port_is_found_among_the_netfilter_sockets() {
        assert_eq!(inode_of(4242, TABLE), Some(22));
        assert_eq!(inode_of(4_006_926_495, TABLE), Some(33));
        assert_eq!(inode_of(1, TABLE), None);
        assert_eq!(inode_of(1, "garbage\n1 12\n"), None);
    }
}
