//! Who asked the kernel to remove a conntrack entry?
//!
//! The kernel names the netlink port of the requester. It is not always a pid: the first socket of a process gets
//! its pid *as its own pid namespace counts*, further ones get a random number (net/netlink/af_netlink.c,
//! `netlink_autobind`). In a pod, port 1 is not the host's init. So there are two proofs, and without one nobody is
//! named:
//!
//! * **It lives**: a process holds the socket that has this port in the namespace. That is looked up as soon as the
//!   message is read, and works for any port; but `conntrack -F` lives for 2 ms.
//! * **It has ended**: a hook saw the process end that had this number, in this network namespace, about the time of
//!   the message. That works for first sockets only (`conntrack -F`, not `conntrack -D`), and not while another
//!   process lives that has the same number in its own pid namespace: it may have asked, through a socket that it
//!   has closed since, or from a thread that works in many namespaces.

use std::fs;
use std::time::Duration;

use super::ended::Ended;
use super::netns::Place;
use super::procfs;
use crate::event::{NetNs, Remover, Time};

/// Who has ended lately, by network namespace and by pid as that process itself saw it.
pub type EndedLately<'a> = &'a dyn Fn(NetNs, u32) -> Option<Ended>;

/// It asked through netlink, and cannot be told from others any more.
pub(super) const GONE: Remover = Remover { pid: 0, command: None };

/// The requester behind a netlink port of this namespace, by a message read at this time. `None`: it may just be
/// ending; ask [`among_the_dead`] a little later.
pub(super) fn find(
    place: &Place,
    portid: u32,
    time: Time,
    ended: EndedLately<'_>,
) -> Option<Remover> {
    living(place, portid)
        .or_else(|| among_the_dead(place.netns, portid, time, ended))
        .or_else(|| (portid > PID_MAX_LIMIT).then_some(GONE))
}

/// The process of this number that ended about the time of the message, if no other can be meant.
pub(super) fn among_the_dead(
    netns: NetNs,
    portid: u32,
    time: Time,
    ended: EndedLately<'_>,
) -> Option<Remover> {
    let dead = ended(netns, portid).filter(|dead| dead.time.distance(time) < ABOUT)?;
    let is_the_only_one = !procfs::bears(portid, dead.pid);
    is_the_only_one.then_some(Remover { pid: dead.pid, command: Some(dead.command) })
}

fn living(place: &Place, portid: u32) -> Option<Remover> {
    // First, as it may end at any moment.
    let command = procfs::command(portid);
    let table = place.enter(|| fs::read_to_string("/proc/thread-self/net/netlink")).ok()?.ok()?;
    let pid = holder(portid, inode_of(portid, &table)?)?;
    let command = procfs::command(pid).or(command.filter(|_| pid == portid));
    Some(Remover { pid, command })
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
/// A tool ends within milliseconds of its request, and its message is read within milliseconds too, but for a busy host.
const ABOUT: Duration = Duration::from_secs(2);

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

    const NETNS: NetNs = NetNs(7);
    /// No living process has it, in any pid namespace.
    const NUMBER: u32 = PID_MAX_LIMIT - 1;
    const ENDED_AT: Time = Time(10_000_000_000);

    /// A tool that had this number ended in the namespace.
    fn asked(netns: NetNs, number: u32, time: Time) -> Option<Remover> {
        let dead = || Ended { pid: 4242, command: "conntrack".into(), time: ENDED_AT };
        let ended = move |of: NetNs, bore: u32| ((of, bore) == (NETNS, number)).then(dead);
        among_the_dead(netns, number, time, &ended)
    }

    #[test]
    fn the_dead_are_named_by_their_number_and_namespace() {
        let remover = asked(NETNS, NUMBER, ENDED_AT).unwrap();
        assert_eq!(remover.to_string(), "conntrack[4242]");
        assert_eq!(asked(NetNs(8), NUMBER, ENDED_AT), None);
    }

    #[test]
    fn only_those_count_who_ended_about_that_time() {
        let (near, far) = (Duration::from_secs(1), Duration::from_secs(3));
        assert!(asked(NETNS, NUMBER, ENDED_AT.plus(near)).is_some());
        assert_eq!(asked(NETNS, NUMBER, ENDED_AT.plus(far)), None);
    }

    #[test]
    fn the_dead_are_not_blamed_while_another_bears_their_number() {
        assert_eq!(asked(NETNS, std::process::id(), ENDED_AT), None);
    }
}
