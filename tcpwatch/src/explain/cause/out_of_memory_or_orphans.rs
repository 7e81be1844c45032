//! The host had no room for connections that nobody owns any more.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::TcpState;
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A closed connection that still had something to send was given up for want of room.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutOfMemoryOrOrphans {
    pub when: When,
    /// TCP's memory was above the last value of `tcp_mem`.
    pub memory_exceeded: bool,
    /// Pages: from where TCP frees memory, is under pressure, and refuses; of the whole host. `null` when not known.
    pub tcp_mem: Option<String>,
    /// Of the whole host; `null` when not known.
    pub tcp_max_orphans: Option<u32>,
}

/// When the kernel looked at the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// As the socket was closed (net/ipv4/tcp.c, `__tcp_close`).
    Closing,
    /// As it sent again what the peer had not acknowledged (net/ipv4/tcp_timer.c, `tcp_out_of_resources`).
    SendingAgain,
}

impl Explains for OutOfMemoryOrOrphans {
    const CODE: &'static str = "out-of-memory-or-orphans";
    const MEANING: &'static str = "TCP ran out of memory, or too many closed connections were still sending";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "The application had closed the connection, and the kernel was still sending what was left (an \
            orphan), when it found TCP short of memory (net.ipv4.tcp_mem) or too many such orphans \
            (net.ipv4.tcp_max_orphans). It gives such a connection up with a RST, and what was left is lost.",
        shown_by: "an orphan given up where the kernel looks at these limits, and whether memory was exceeded",
        conditions: &[
            "An orphan was given up where the kernel looks at the limits of memory and of orphans.",
        ],
        certainty: "stated where the kernel gives the reason TCP_ABORT_ON_MEMORY, else observed",
        alike: &[
            ("keepalive-timeout", "the connection was not closed yet, and its peer was silent"),
            ("process-killed", "the OOM killer ended a process; here the kernel ended a connection nobody holds"),
        ],
        advice: Advice {
            now: "the kernel log says which: \"too many orphaned sockets\", or \"consider tuning tcp_mem\"",
            fix: "find whose buffers are full (ss -tm), then raise net.ipv4.tcp_mem; or find who closes with data \
                unsent, then raise net.ipv4.tcp_max_orphans",
            trade_off: "each orphan may hold up to 64 KiB of memory that cannot be swapped",
            do_not: "raise the limits before knowing who fills them",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_host_with_too_many_orphans" },
    };

    /// The limits caused the reset when
    /// 1. an orphan was given up where the kernel looks at the limits of memory and of orphans.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort().filter(|_| case.mechanism() == Mechanism::OutOfMemory)?;
        let stated = rst.reason.as_deref() == Some("TCP_ABORT_ON_MEMORY");
        let certainty = if stated { Certainty::Stated } else { Certainty::Observed };
        let closing = rst.socket.state == TcpState::Close;
        let cause = Self {
            when: if closing { When::Closing } else { When::SendingAgain },
            memory_exceeded: rst.memory_exceeded,
            tcp_mem: case.sysctl_of_host("net.ipv4.tcp_mem").map(words),
            tcp_max_orphans: case.sysctl_of_host("net.ipv4.tcp_max_orphans").and_then(|value| value.parse().ok()),
        };
        Some((certainty, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let memory = if self.memory_exceeded { "above" } else { "below" };
        vec![
            Evidence::new("tcp", format!("no process owned the socket; the limits were looked at {}", self.when)),
            Evidence::new("memory", format!("TCP's memory was {memory} the last value of tcp_mem")),
            Evidence::new("sysctl", self.limits()),
        ]
    }

    fn remedy(&self) -> Remedy {
        let fix = if self.memory_exceeded {
            format!("find whose buffers are full (ss -tm); then raise net.ipv4.tcp_mem (now {})", self.tcp_mem())
        } else {
            format!("find who closes with data unsent; then net.ipv4.tcp_max_orphans (now {})", self.tcp_max_orphans())
        };
        Remedy {
            fix,
            ..Self::PAGE.advice.into()
        }
    }
}

impl OutOfMemoryOrOrphans {
    fn limits(&self) -> String {
        let (mem, orphans) = (self.tcp_mem(), self.tcp_max_orphans());
        format!("net.ipv4.tcp_mem = {mem} pages, net.ipv4.tcp_max_orphans = {orphans}, of the whole host")
    }

    fn tcp_mem(&self) -> &str {
        self.tcp_mem.as_deref().unwrap_or("not known")
    }

    fn tcp_max_orphans(&self) -> String {
        self.tcp_max_orphans.map_or_else(|| "not known".into(), |orphans| orphans.to_string())
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "as it was closed",
            Self::SendingAgain => "as it sent again what was not acknowledged",
        })
    }
}

impl fmt::Display for OutOfMemoryOrOrphans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = if self.memory_exceeded { "TCP used more memory than tcp_mem allows" } else { "too many orphans" };
        write!(f, "a closed connection was given up for want of room: {limit}")
    }
}

/// The kernel puts tabs between numbers.
fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, SocketFile, TcpState};
    use crate::explain::story::Story;

    fn orphan(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().knowing("net.ipv4.tcp_max_orphans", "8192").after(5).gives_up(
            "10.0.0.1:80",
            "10.0.0.9:40000",
            |rst| {
                (rst.socket.owned, rst.socket.dead, rst.file) = (false, true, SocketFile::None);
                rst.unacknowledged = true;
                because(rst);
            },
        )
    }

    #[test]
    fn too_many_orphans_as_the_socket_is_closed() {
        let said = "a closed connection was given up for want of room: too many orphans";
        assert_eq!(orphan(|_| {}).said(), format!("out-of-memory-or-orphans observed: {said}"));
        let stated = orphan(|rst| rst.reason = Some("TCP_ABORT_ON_MEMORY".into()));
        assert_eq!(stated.said(), format!("out-of-memory-or-orphans stated: {said}"));
        assert!(orphan(|_| {}).remedy().fix.ends_with("net.ipv4.tcp_max_orphans (now 8192)"));
        assert!(orphan(|_| {}).evidence().contains("looked at as it was closed"));
    }

    #[test]
    fn memory_above_its_limit() {
        let story = || orphan(|rst| rst.memory_exceeded = true);
        assert!(story().said().ends_with("TCP used more memory than tcp_mem allows"));
        assert!(story().knowing("net.ipv4.tcp_mem", "10\t20\t30").remedy().fix.ends_with("(now 10 20 30)"));
        assert!(story().remedy().fix.ends_with("net.ipv4.tcp_mem (now not known)"));
    }

    #[test]
    fn an_orphan_that_sends_again_in_vain() {
        let story = orphan(|rst| (rst.socket.state, rst.locked) = (TcpState::FinWait1, false));
        assert_eq!(story.code(), "out-of-memory-or-orphans");
    }

    #[test]
    fn a_late_timer_and_a_destroyed_orphan_look_alike_without_a_word() {
        let locked = |reason: Option<&str>| {
            orphan(|rst| {
                rst.socket.state = TcpState::FinWait1;
                rst.reason = reason.map(str::to_owned);
            })
            .code()
        };
        assert_eq!(locked(None), "unexplained");
        assert_eq!(locked(Some("TCP_ABORT_ON_MEMORY")), "out-of-memory-or-orphans");
        assert_eq!(locked(Some("TCP_STATE")), "admin-destroyed");
    }

    #[test]
    fn who_has_an_owner_is_no_orphan() {
        let owned = orphan(|rst| {
            (rst.socket.owned, rst.socket.dead) = (true, false);
            (rst.socket.state, rst.locked, rst.file) = (TcpState::Established, false, SocketFile::Open);
        });
        assert_eq!(owned.code(), "unexplained");
    }

    #[test]
    fn another_word_of_the_kernel_forbids_it() {
        assert_eq!(orphan(|rst| rst.reason = Some("TCP_STATE".into())).code(), "unexplained");
    }
}
