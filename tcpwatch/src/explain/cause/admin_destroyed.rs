//! Somebody had the kernel destroy the socket of another.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Owner, SocketFile, TcpState};
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// `ss -K`, a network plugin that ends connections to back ends that are gone, or a BPF program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdminDestroyed {
    pub by: Owner,
    /// Of the socket, until then.
    pub state: TcpState,
}

impl Explains for AdminDestroyed {
    const CODE: &'static str = "admin-destroyed";
    const MEANING: &'static str = "somebody had the socket destroyed, as `ss -K` does";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "A process other than the owner had the kernel destroy the socket: `ss -K`, a network plugin that \
            ends connections to back ends that are gone, or a BPF program. The peer gets a RST, the owner \
            ECONNABORTED.",
        shown_by: "tcp_abort on a socket in use, and the process that asked for it",
        conditions: &[
            "The socket was destroyed where it stood (tcp_abort).",
            "A process did it, and was seen to.",
            "It was no socket of the kernel's own, which its makers end in the same way.",
        ],
        certainty: "observed",
        alike: &[
            ("linger-zero", "the owner itself closed the socket, and a socket option made a reset of it"),
            ("disconnected", "the owner itself dissolved the connection, and keeps the socket"),
            ("keepalive-timeout", "nobody asked: a timer of the kernel gave up on a silent peer"),
        ],
        advice: Advice {
            now: "ask who did it why: an operator's `ss -K`, or a network plugin cleaning up",
            fix: "if it cleans up after back ends that are gone, drain them first; else let the owner close",
            trade_off: "connections to a dead back end that nobody destroys hang until a timer runs out",
            do_not: "destroy sockets as a routine: find what leaks them",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_socket_that_an_operator_destroys" },
    };

    /// The destruction caused the reset when
    /// 1. the socket was destroyed where it stood (net/ipv4/tcp.c, `tcp_abort`),
    /// 2. by a process, seen to do so, and
    /// 3. it was no socket of the kernel's own, which its makers end in the same way (net/smc).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort().filter(|_| case.mechanism() == Mechanism::Destroyed)?;
        let kernels_own = rst.socket.owned && rst.file == SocketFile::None;
        let by = rst.doer().filter(|_| !kernels_own)?;
        Some((Certainty::Observed, Self { by: by.into(), state: rst.socket.state }))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("the socket was {} and in use when it was destroyed (tcp_abort)", self.state)),
            Evidence::new("process", format!("{} had it destroyed; its owner gets ECONNABORTED", self.by)),
        ]
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: format!("ask {} why: an operator's `ss -K`, or a network plugin cleaning up", self.by),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for AdminDestroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} had the socket destroyed, as `ss -K` does", self.by)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, Owner, SocketFile, TcpState};
    use crate::explain::story::Story;

    fn destroyed(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
            rst.socket.state = TcpState::Established;
            rst.socket.inode = Some(4711);
            (rst.task.command, rst.task.pid, rst.file) = ("ss".into(), 99, SocketFile::Open);
            because(rst);
        })
    }

    #[test]
    fn the_destroyer_is_named_and_the_owner_is_another() {
        let owner = Owner::named(77, "nginx");
        let story = destroyed(|_| {}).after(1).holds(4711, owner.clone());
        assert_eq!(story.verdicts().pop().unwrap().owner, Some(owner));
        let said = "admin-destroyed observed: ss[99] had the socket destroyed, as `ss -K` does";
        assert_eq!(destroyed(|_| {}).said(), said);
        assert_eq!(destroyed(|rst| rst.reason = Some("TCP_STATE".into())).said(), said);
    }

    #[test]
    fn orphans_and_connections_not_yet_accepted_can_be_destroyed() {
        let no_file = |rst: &mut ConnectionAborted| {
            (rst.socket.owned, rst.file) = (false, SocketFile::None);
        };
        assert_eq!(destroyed(no_file).code(), "admin-destroyed");
        let orphan = destroyed(|rst| {
            no_file(rst);
            (rst.socket.dead, rst.socket.state) = (true, TcpState::FinWait2);
        });
        assert_eq!(orphan.code(), "admin-destroyed");
    }

    #[test]
    fn a_socket_of_the_kernels_own_is_ended_by_its_maker() {
        let said = destroyed(|rst| rst.file = SocketFile::None).said();
        assert!(said.starts_with("unexplained: who: "), "{said}");
    }

    #[test]
    fn a_thread_of_the_kernel_is_nobody() {
        assert_eq!(destroyed(|rst| rst.task.kernel = true).code(), "unexplained");
    }

    #[test]
    fn without_the_lock_it_was_a_timer_and_names_nobody() {
        assert_eq!(destroyed(|rst| rst.locked = false).code(), "unexplained");
    }

    #[test]
    fn an_old_recording_does_not_tell() {
        assert_eq!(destroyed(|rst| rst.file = SocketFile::Unknown).code(), "unexplained");
    }

    #[test]
    fn a_socket_that_is_closed_already_was_not_destroyed() {
        assert_eq!(destroyed(|rst| rst.socket.state = TcpState::Close).code(), "disconnected");
    }
}
