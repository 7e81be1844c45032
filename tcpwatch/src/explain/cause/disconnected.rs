//! The application dissolved the connection and kept the socket.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Owner;
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// connect() to an address of family AF_UNSPEC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disconnected {
    pub by: Owner,
}

impl Explains for Disconnected {
    const CODE: &'static str = "disconnected";
    const MEANING: &'static str = "the application dissolved the connection by connect(AF_UNSPEC)";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "The application dissolved the connection by connect() to an address of family AF_UNSPEC, and kept \
            the socket. The peer gets a RST.",
        shown_by: "tcp_disconnect on a socket that stays open, and the process that called",
        conditions: &[
            "The connection was dissolved while its socket stayed open, which connect(AF_UNSPEC) alone does.",
            "A process did it.",
        ],
        certainty: "observed",
        alike: &[
            ("linger-zero", "the socket was closed, and an option made a reset of it"),
            ("admin-destroyed", "another process had the socket destroyed"),
        ],
        advice: Advice {
            now: "nothing is broken: the program asked for it",
            fix: "for an orderly end use shutdown() and close(), and a new socket for the next connection",
            trade_off: "an orderly end takes a round trip and leaves a TIME_WAIT entry for a minute",
            do_not: "use connect(AF_UNSPEC) on TCP sockets that still have something to say",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_program_that_dissolves_its_connection" },
    };

    /// The call caused the reset when
    /// 1. the connection was dissolved while its socket stayed open, which connect(AF_UNSPEC) alone does, and
    /// 2. a process did it.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort().filter(|_| case.mechanism() == Mechanism::Disconnected)?;
        Some((Certainty::Observed, Self { by: rst.doer()?.into() }))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", "the connection was reset, and the socket stays open (tcp_disconnect)"),
            Evidence::new("process", format!("{} did it", self.by)),
        ]
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dissolved the connection by connect(AF_UNSPEC)", self.by)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, SocketFile, TcpState};
    use crate::explain::story::Story;

    fn dissolved(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
            rst.file = SocketFile::Open;
            because(rst);
        })
    }

    #[test]
    fn a_reset_that_leaves_the_socket_open() {
        let said = "disconnected observed: nginx[77] dissolved the connection by connect(AF_UNSPEC)";
        assert_eq!(dissolved(|_| {}).said(), said);
        for reason in ["TCP_STATE", "TCP_DISCONNECT_WITH_DATA"] {
            assert_eq!(dissolved(|rst| rst.reason = Some(reason.into())).said(), said);
        }
    }

    #[test]
    fn unread_data_and_linger_zero_do_not_matter_here() {
        let story = dissolved(|rst| (rst.unread, rst.socket.linger_zero) = (17, true));
        assert_eq!(story.code(), "disconnected");
    }

    #[test]
    fn a_thread_of_the_kernel_did_it_in_somebodys_name() {
        let said = dissolved(|rst| rst.task.kernel = true).said();
        assert!(said.starts_with("unexplained: who: "), "{said}");
    }

    #[test]
    fn a_socket_without_a_file_or_in_another_state_was_not_dissolved_by_connect() {
        assert_eq!(dissolved(|rst| rst.file = SocketFile::None).code(), "unexplained");
        let destroyed = dissolved(|rst| rst.socket.state = TcpState::Established);
        assert_eq!(destroyed.code(), "admin-destroyed");
    }
}
