//! The process was killed, and its sockets with it.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{ConnectionAborted, Exit, Owner};
use crate::explain::case::Case;
use crate::explain::ending::{SIGKILL, signal_name};
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A signal ended the process that held the socket; the kernel closed it in a state that makes a reset of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessKilled {
    pub process: Owner,
    pub signal: u8,
    /// The OOM killer had chosen it.
    pub oom_victim: bool,
    pub left: Left,
}

/// Why the end of the process became a reset, and no orderly close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// So many bytes were received and not read.
    Unread(u32),
    /// `SO_LINGER` with a time of zero.
    SoLinger,
    /// `TCP_LINGER2` below zero.
    TcpLinger2,
}

impl Explains for ProcessKilled {
    const CODE: &'static str = "process-killed";
    const MEANING: &'static str = "a signal (or the OOM killer) ended the process that held the socket";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "A signal ended the process that held the socket (SIGKILL, a crash, the OOM killer), while data lay \
            unread in it or an option was set that makes a reset of close(). The kernel closed it in the dead \
            process's name. A killed process whose sockets were all read sends a FIN, and no RST.",
        shown_by: "the close within the end of the process, the signal that ended it, and what was left unread",
        conditions: &[
            "The socket was being closed, with data unread or with an option that makes a reset of it.",
            "By a process, seen to do so, that was ending.",
            "It ended by a signal.",
        ],
        certainty: "observed",
        alike: &[
            ("closed-with-unread-data", "the process closed the socket, or exited, of its own accord"),
            ("linger-zero", "the process closed the socket, or exited, of its own accord"),
            ("listener-closed-with-queue", "the connection had not been accepted"),
            ("peer-wrote-after-close", "the kill closed the connection in order, and data came behind"),
        ],
        advice: Advice {
            now: "find who sent SIGKILL: a grace period that ran out, a failed probe, an operator",
            fix: "on SIGTERM stop accepting, finish, close, exit; grace period above the longest request",
            trade_off: "every second of draining makes each step of a rollout a second longer",
            do_not: "kill -9 a process with open connections; hide it with client retries only",
        },
        otherwise: &[("where the OOM killer chose it", OUT_OF_MEMORY), ("where it was another signal", UNHANDLED)],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_server_that_is_killed_with_a_request_unread" },
    };

    /// The kill caused the reset when
    /// 1. the socket was being closed, with data unread or with an option that makes a reset of it,
    /// 2. by a process, seen to do so, that was ending, and
    /// 3. it ended by a signal.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort()?;
        let left = Left::in_case(case, rst)?;
        let doer = rst.doer()?;
        let Some(Exit::Signal(signal)) = doer.exit else { return None };
        let cause = Self { process: case.doer(rst)?, signal, oom_victim: doer.oom_victim, left };
        Some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("process", format!("{} was ending by {}", self.process, signal_name(self.signal))),
            Evidence::new("socket", format!("closed by that end {}", self.left)),
        ];
        if self.oom_victim {
            lines.insert(1, Evidence::new("process", "the OOM killer had chosen it"));
        }
        lines.extend(self.process.described().map(|process| Evidence::new("process", process)));
        lines
    }

    fn remedy(&self) -> Remedy {
        match self.signal {
            _ if self.oom_victim => OUT_OF_MEMORY.into(),
            SIGKILL => Self::PAGE.advice.into(),
            signal => Remedy {
                now: format!("{} ended it at once: if that was a crash, its log or core dump says where", signal_name(signal)),
                ..UNHANDLED.into()
            },
        }
    }
}

impl Left {
    fn in_case(case: &Case<'_>, rst: &ConnectionAborted) -> Option<Self> {
        match case.mechanism() {
            Mechanism::CloseWithUnreadData if rst.unread_bytes() > 0 => Some(Self::Unread(rst.unread_bytes())),
            Mechanism::CloseWithLingerZero => Some(Self::SoLinger),
            Mechanism::CloseWithNegativeLinger2 => Some(Self::TcpLinger2),
            _ => None,
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(bytes) => write!(f, "with {bytes} bytes unread"),
            Self::SoLinger => f.write_str("with SO_LINGER zero"),
            Self::TcpLinger2 => f.write_str("with TCP_LINGER2 below zero"),
        }
    }
}

impl fmt::Display for ProcessKilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.oom_victim { "the OOM killer".into() } else { signal_name(self.signal) };
        write!(f, "{} was killed by {by}, {}", self.process, self.left)
    }
}

const OUT_OF_MEMORY: Advice = Advice {
    now: "the kernel log says which limit was met (the cgroup's, or the host's) and what used the memory",
    fix: "find what grew (memory.peak and memory.events of its cgroup); then set the limit above it",
    trade_off: "a higher limit takes memory from its neighbours on this host",
    do_not: "restart it and wait for the next time; switch the OOM killer off",
};

const UNHANDLED: Advice = Advice {
    now: "a signal ended it at once: if that was a crash, its log or core dump says where",
    fix: "handle the signals that ask it to stop: stop accepting, finish requests, close, exit",
    trade_off: "every second of draining makes each step of a rollout a second longer",
    do_not: "only raise the grace period: a process that does not handle the signal never uses it",
};

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, Exit, Owner, SocketFile, Time};
    use crate::explain::story::Story;
    use crate::explain::verdict::OwnerStatus;

    fn killed(signal: u8, because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
            rst.task.exit = Some(Exit::Signal(signal));
            because(rst);
        })
    }

    #[test]
    fn a_kill_with_data_unread() {
        let story = killed(9, |rst| rst.unread = 17);
        assert_eq!(
            story.said(),
            "process-killed observed: nginx[77] was killed by SIGKILL (signal 9), with 17 bytes unread"
        );
        let stated = killed(9, |rst| {
            rst.unread = 17;
            rst.reason = Some("TCP_ABORT_ON_CLOSE".into());
        });
        assert_eq!(stated.code(), "process-killed");
    }

    fn known(pid: u32) -> Owner {
        let started = Some(Time(1));
        Owner { exe: Some("/usr/sbin/nginx".into()), started, ..Owner::named(pid, "nginx") }
    }

    #[test]
    fn who_is_gone_is_told_as_it_was_known_before() {
        let killed = |story: Story| {
            story.after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
                (rst.unread, rst.task.exit) = (17, Some(Exit::Signal(9)));
            })
        };
        let server = || killed(Story::new().opens("0.0.0.0:80").by(known(77)));
        assert!(server().evidence().ends_with("process: nginx[77], /usr/sbin/nginx, gone"));
        let verdict = server().verdicts().pop().unwrap();
        assert_eq!(verdict.owner_status, OwnerStatus::Gone);
        assert!(verdict.owner.is_some_and(|owner| owner.gone && owner.exe.is_some()));
        let met_before = killed(Story::new().holds(4711, known(77)));
        assert!(met_before.evidence().ends_with("/usr/sbin/nginx, gone"));
    }

    #[test]
    fn another_process_tells_nothing_of_who_is_gone() {
        let after = |story: Story| {
            let killed = |rst: &mut ConnectionAborted| {
                (rst.unread, rst.task.exit) = (17, Some(Exit::Signal(9)));
            };
            story.gives_up("10.0.0.1:80", "10.0.0.9:40000", killed).verdicts().pop().unwrap().owner.unwrap().exe
        };
        assert_eq!(after(Story::new().opens("0.0.0.0:80").by(known(78))), None);
        assert_eq!(after(Story::new().opens("0.0.0.0:81").by(known(77)).after(700_000)), None);
        let renamed = Owner { command: "curl".into(), ..known(77) };
        assert_eq!(after(Story::new().holds(4711, renamed)), None);
    }

    #[test]
    fn the_oom_killer_is_named() {
        let story = killed(9, |rst| {
            rst.unread = 17;
            rst.task.oom_victim = true;
        });
        assert_eq!(
            story.said(),
            "process-killed observed: nginx[77] was killed by the OOM killer, with 17 bytes unread"
        );
    }

    #[test]
    fn options_that_make_a_reset_of_any_close() {
        let linger = killed(15, |rst| rst.socket.linger_zero = true).said();
        assert!(linger.ends_with("killed by SIGTERM (signal 15), with SO_LINGER zero"), "{linger}");
        let linger2 = killed(6, |rst| {
            (rst.socket.owned, rst.socket.dead, rst.file) = (false, true, SocketFile::None);
            rst.linger2_negative = true;
        });
        let said = linger2.said();
        assert!(said.ends_with("by SIGABRT (signal 6), with TCP_LINGER2 below zero"), "{said}");
    }

    #[test]
    fn each_way_to_die_has_its_remedy() {
        let now = |signal, oom_victim| {
            let story = killed(signal, |rst| {
                rst.unread = 1;
                rst.task.oom_victim = oom_victim;
            });
            story.remedy().now
        };
        assert!(now(9, false).starts_with("find who sent SIGKILL"));
        assert!(now(9, true).starts_with("the kernel log says"));
        assert!(now(11, false).starts_with("SIGSEGV (signal 11) ended it at once"));
    }

    #[test]
    fn who_ended_by_itself_was_not_killed() {
        let exited = killed(9, |rst| {
            rst.unread = 17;
            rst.task.exit = Some(Exit::Status(0));
        });
        assert_eq!(exited.code(), "closed-with-unread-data");
    }

    #[test]
    fn a_bystander_that_is_being_killed_did_not_close_it() {
        let bystander = killed(9, |rst| {
            rst.unread = 17;
            rst.locked = false;
        });
        assert_eq!(bystander.code(), "closed-with-unread-data");
    }

    #[test]
    fn what_else_was_closed_then_has_other_causes() {
        let orphan = killed(9, |rst| {
            (rst.socket.owned, rst.socket.dead, rst.file) = (false, true, SocketFile::None);
        });
        assert_eq!(orphan.code(), "out-of-memory-or-orphans");
        let stated = killed(9, |rst| rst.reason = Some("TCP_ABORT_ON_CLOSE".into()));
        assert_eq!(stated.code(), "unexplained");
    }
}
