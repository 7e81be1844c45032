//! The application closed a socket without reading what had arrived.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Owner;
use crate::explain::case::Case;
use crate::explain::ending::How;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

/// Data was thrown away with the socket, and the peer is told so (RFC 2525, section 2.17).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClosedWithUnreadData {
    /// Bytes received and never read.
    pub unread: u32,
    /// `null`: the kernel closed it in somebody's name.
    pub closed_by: Option<Owner>,
    pub how: How,
}

impl Explains for ClosedWithUnreadData {
    const CODE: &'static str = "closed-with-unread-data";
    const MEANING: &'static str = "the application closed the socket without reading what had arrived";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "The application closed a socket while bytes of the peer lay in it unread. TCP must tell the peer \
            that they were lost, and sends a RST in place of a FIN (RFC 2525, section 2.17). The peer gets \
            ECONNRESET, and may lose with it the answer that was sent just before. A server that refuses a request \
            early, without reading its body, does this.",
        shown_by: "the count of unread bytes at the moment of close(), and who closed",
        conditions: &[
            "The socket was being closed with data unread.",
            "Bytes, and not just the peer's FIN, had not been read.",
            "The process was not killed: else it had no choice.",
        ],
        certainty: "stated where the kernel gives the reason TCP_ABORT_ON_CLOSE, else observed",
        alike: &[
            ("process-killed", "the same close with unread data, but a signal ended the process"),
            ("linger-zero", "nothing need be unread: the application had asked for a reset"),
            ("peer-wrote-after-close", "the close was an orderly one, and the data came after it"),
        ],
        advice: Advice {
            now: "see what the peer sent and nobody read: a body refused early, or more than was asked for",
            fix: "read to the end before close(), or shutdown(SHUT_WR) and read until the peer closes",
            trade_off: "reading on keeps the socket until the peer closes: bound it by time and bytes",
            do_not: "hide it with client retries: the answer sent before may be lost with the reset",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_server_that_hangs_up_on_a_request_it_has_not_read" },
    };

    /// The close caused the reset when
    /// 1. the socket was being closed with data unread,
    /// 2. bytes, and not just the peer's FIN, had not been read, and
    /// 3. the process was not killed: else it had no choice (see `process-killed`).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort().filter(|_| case.mechanism() == Mechanism::CloseWithUnreadData)?;
        let doer = rst.doer();
        let how = How::from(doer.and_then(|doer| doer.exit));
        if rst.unread_bytes() == 0 || matches!(how, How::Signal(_)) {
            return None;
        }
        let stated = rst.reason.as_deref() == Some("TCP_ABORT_ON_CLOSE");
        let certainty = if stated { Certainty::Stated } else { Certainty::Observed };
        Some((certainty, Self { unread: rst.unread_bytes(), closed_by: doer.map(Owner::from), how }))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("{} received and not read (rcv_nxt - copied_seq)", bytes(self.unread))),
            Evidence::new("process", format!("the socket was {}", self.how.closed(self.closed_by.as_ref()))),
        ]
    }
}

impl fmt::Display for ClosedWithUnreadData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} had not been read when the socket was {}", bytes(self.unread), self.how.closed(self.closed_by.as_ref()))
    }
}

fn bytes(count: u32) -> String {
    if count == 1 { "1 byte".into() } else { format!("{count} bytes") }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, Exit, SocketFile, TcpState};
    use crate::explain::story::Story;

    fn closed(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", |rst| {
            rst.unread = 17;
            because(rst);
        })
    }

    #[test]
    fn the_kernel_states_it_or_the_socket_shows_it() {
        let said = "17 bytes had not been read when the socket was closed by nginx[77]";
        let stated = closed(|rst| rst.reason = Some("TCP_ABORT_ON_CLOSE".into()));
        assert_eq!(stated.said(), format!("closed-with-unread-data stated: {said}"));
        assert_eq!(closed(|_| {}).said(), format!("closed-with-unread-data observed: {said}"));
        let word = closed(|rst| rst.reason = Some("NOT_SPECIFIED".into()));
        assert_eq!(word.said(), format!("closed-with-unread-data observed: {said}"));
    }

    #[test]
    fn unread_data_goes_before_linger_zero() {
        assert_eq!(closed(|rst| rst.socket.linger_zero = true).code(), "closed-with-unread-data");
    }

    #[test]
    fn one_byte_in_an_exiting_process() {
        let story = closed(|rst| {
            (rst.unread, rst.fin_received) = (2, true);
            rst.task.exit = Some(Exit::Status(3));
        });
        assert_eq!(
            story.said(),
            "closed-with-unread-data observed: 1 byte had not been read when the socket was \
             closed as nginx[77] exited with status 3"
        );
    }

    #[test]
    fn a_fin_is_no_data() {
        let only_fin = |rst: &mut ConnectionAborted| (rst.unread, rst.fin_received) = (1, true);
        let linger = closed(|rst| {
            only_fin(rst);
            rst.socket.linger_zero = true;
        });
        assert_eq!(linger.code(), "linger-zero");
        assert_eq!(closed(only_fin).code(), "unexplained");
        let stated = closed(|rst| {
            only_fin(rst);
            rst.reason = Some("TCP_ABORT_ON_CLOSE".into());
        });
        assert!(stated.said().starts_with("unexplained: unread data: "));
    }

    #[test]
    fn the_kernel_would_have_said_so() {
        let story = closed(|rst| {
            rst.reason = Some("TCP_STATE".into());
            rst.socket.linger_zero = true;
        });
        assert_eq!(story.code(), "linger-zero");
    }

    #[test]
    fn a_killed_process_had_no_choice() {
        assert_eq!(closed(|rst| rst.task.exit = Some(Exit::Signal(9))).code(), "process-killed");
    }

    #[test]
    fn a_file_somebody_refers_to_is_not_being_closed() {
        assert_eq!(closed(|rst| rst.file = SocketFile::Open).code(), "disconnected");
    }

    #[test]
    fn a_socket_of_the_kernels_own_or_an_old_recording_is_left_alone() {
        for file in [SocketFile::None, SocketFile::Unknown] {
            assert_eq!(closed(|rst| rst.file = file).code(), "unexplained", "{file:?}");
        }
    }

    #[test]
    fn unread_data_of_a_socket_in_use_means_nothing() {
        let story = closed(|rst| {
            rst.socket.state = TcpState::Established;
            (rst.locked, rst.file) = (false, SocketFile::Open);
        });
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn mptcp_has_its_own_reasons() {
        let stated = |rst: &mut ConnectionAborted| rst.reason = Some("TCP_ABORT_ON_CLOSE".into());
        let story = closed(|rst| {
            stated(rst);
            rst.mptcp = true;
        });
        assert_eq!(story.code(), "unexplained");
        let fast_close = closed(|rst| rst.reason = Some("MPTCP_RST_EMPTCP".into()));
        assert_eq!(fast_close.code(), "unexplained");
    }

    #[test]
    fn the_kernel_closes_in_somebodys_name_and_names_nobody() {
        let story = closed(|rst| {
            rst.task.kernel = true;
            rst.task.exit = Some(Exit::Signal(9));
        });
        let verdict = story.verdicts().pop().unwrap();
        assert_eq!(verdict.owner, None);
        let again = closed(|rst| rst.task.kernel = true);
        assert_eq!(
            again.said(),
            "closed-with-unread-data observed: 17 bytes had not been read when the socket was closed by its owner"
        );
    }

    #[test]
    fn the_one_who_closed_it_owned_it() {
        let verdict = closed(|_| {}).verdicts().pop().unwrap();
        assert_eq!(verdict.owner.map(|owner| owner.to_string()).as_deref(), Some("nginx[77]"));
        let unlocked = closed(|rst| rst.locked = false).verdicts().pop().unwrap();
        assert_eq!(unlocked.owner, None);
    }
}
