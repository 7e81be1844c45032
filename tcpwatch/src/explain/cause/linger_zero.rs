//! The application had asked for a reset in place of an orderly close.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{ConnectionAborted, Owner};
use crate::explain::case::Case;
use crate::explain::ending::How;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A socket option turned the close into a reset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LingerZero {
    pub option: Asked,
    /// Data or a FIN was still on its way, and is thrown away.
    pub unacknowledged: bool,
    /// `null`: the kernel closed it in somebody's name.
    pub closed_by: Option<Owner>,
    pub how: How,
}

/// By which option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// `SO_LINGER` with a time of zero.
    SoLinger,
    /// `TCP_LINGER2` below zero: no wait in FIN_WAIT2.
    TcpLinger2,
}

impl Explains for LingerZero {
    const CODE: &'static str = "linger-zero";
    const MEANING: &'static str = "the application had asked for a reset on close: SO_LINGER with time 0";

    const PAGE: Page = Page {
        group: Group::GivenUp,
        about: "The application had set SO_LINGER with time 0, so that close() sends a RST in place of a FIN and \
            throws away what is still unsent; or TCP_LINGER2 below zero, which does the same to a connection that \
            waits for the peer's end. Health checks and load testers do it to avoid TIME_WAIT.",
        shown_by: "the option on the socket at the moment of close(), and who closed",
        conditions: &[
            "The socket was being closed with SO_LINGER zero, or with TCP_LINGER2 below zero in FIN_WAIT2.",
            "The process was not killed: else the kill closed it.",
        ],
        certainty: "stated where the kernel gives the reason TCP_ABORT_ON_LINGER, else observed",
        alike: &[
            ("closed-with-unread-data", "no option was set: data lay unread"),
            ("process-killed", "the same option, but a signal ended the process"),
            ("disconnected", "the socket was not closed"),
            ("probe", "the same, seen from the host that was checked"),
        ],
        advice: Advice {
            now: "nothing is wrong if a health check or a load balancer's probe did it",
            fix: "do not set the option: let close() send a FIN",
            trade_off: "who closes first then keeps a TIME_WAIT entry for a minute, which is harmless",
            do_not: "set it to get rid of TIME_WAIT: whatever was still on its way is lost",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "aborts::a_server_that_hangs_up_with_linger_zero" },
    };

    /// The option caused the reset when
    /// 1. the socket was being closed with `SO_LINGER` zero, or with `TCP_LINGER2` below zero in FIN_WAIT2, and
    /// 2. the process was not killed: else the kill closed it (see `process-killed`).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.abort()?;
        let option = Asked::in_case(case)?;
        let doer = rst.doer();
        let how = How::from(doer.and_then(|doer| doer.exit));
        let cause = Self { option, unacknowledged: rst.unacknowledged, closed_by: doer.map(Owner::from), how };
        (!matches!(how, How::Signal(_))).then(|| (certainty(rst), cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("socket", format!("{} was set when it was closed", self.option)),
            Evidence::new("process", format!("the socket was {}", self.how.closed(self.closed_by.as_ref()))),
        ];
        if self.unacknowledged {
            lines.push(Evidence::new("tcp", "data was still on its way to the peer, and is lost"));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: format!("do not set {}: let close() send a FIN", self.option),
            ..Self::PAGE.advice.into()
        }
    }
}

impl Asked {
    fn in_case(case: &Case<'_>) -> Option<Self> {
        match case.mechanism() {
            Mechanism::CloseWithLingerZero => Some(Self::SoLinger),
            Mechanism::CloseWithNegativeLinger2 => Some(Self::TcpLinger2),
            _ => None,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SoLinger => "SO_LINGER with time 0",
            Self::TcpLinger2 => "TCP_LINGER2 below 0",
        })
    }
}

impl fmt::Display for LingerZero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the socket had {}, which makes a reset of close(); it was {}", self.option, self.how.closed(self.closed_by.as_ref()))
    }
}

/// The kernel has a word for TCP_LINGER2 only.
fn certainty(rst: &ConnectionAborted) -> Certainty {
    let stated = rst.reason.as_deref() == Some("TCP_ABORT_ON_LINGER");
    if stated { Certainty::Stated } else { Certainty::Observed }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConnectionAborted, Exit, SocketFile};
    use crate::explain::story::Story;

    fn closed(because: impl FnOnce(&mut ConnectionAborted)) -> Story {
        Story::new().after(5).gives_up("10.0.0.1:80", "10.0.0.9:40000", because)
    }

    fn orphaned(rst: &mut ConnectionAborted) {
        (rst.socket.owned, rst.socket.dead, rst.file) = (false, true, SocketFile::None);
    }

    #[test]
    fn so_linger_zero_with_and_without_a_word_of_the_kernel() {
        let said = "linger-zero observed: the socket had SO_LINGER with time 0, which makes a reset of close(); \
                    it was closed by nginx[77]";
        assert_eq!(closed(|rst| rst.socket.linger_zero = true).said(), said);
        let state = closed(|rst| {
            rst.socket.linger_zero = true;
            rst.reason = Some("TCP_STATE".into());
        });
        assert_eq!(state.said(), said);
    }

    #[test]
    fn data_on_its_way_is_lost() {
        let evidence = |lost| {
            let story = closed(|rst| (rst.socket.linger_zero, rst.unacknowledged) = (true, lost));
            story.evidence()
        };
        assert!(evidence(true).contains("tcp: data was still on its way to the peer, and is lost"));
        assert!(!evidence(false).contains("lost"));
    }

    #[test]
    fn tcp_linger2_below_zero_is_asked_for_too() {
        let negative = |rst: &mut ConnectionAborted| {
            orphaned(rst);
            rst.linger2_negative = true;
        };
        assert_eq!(
            closed(negative).said(),
            "linger-zero observed: the socket had TCP_LINGER2 below 0, which makes a reset of close(); \
             it was closed by nginx[77]"
        );
        let stated = closed(|rst| {
            negative(rst);
            rst.reason = Some("TCP_ABORT_ON_LINGER".into());
        });
        assert!(stated.said().starts_with("linger-zero stated: "));
    }

    #[test]
    fn tcp_linger2_counts_once_the_fin_is_acknowledged() {
        let story = closed(|rst| {
            orphaned(rst);
            (rst.linger2_negative, rst.unacknowledged) = (true, true);
        });
        assert_eq!(story.code(), "out-of-memory-or-orphans");
    }

    #[test]
    fn connect_to_nowhere_of_a_socket_with_linger_zero_is_no_close() {
        let story = closed(|rst| {
            rst.socket.linger_zero = true;
            rst.file = SocketFile::Open;
        });
        assert_eq!(story.code(), "disconnected");
    }

    #[test]
    fn a_close_without_the_option_is_not_explained_by_it() {
        assert_eq!(closed(|_| {}).code(), "unexplained");
    }

    #[test]
    fn an_exit_closes_and_a_kill_is_another_story() {
        let ended = |exit| {
            closed(|rst| {
                rst.socket.linger_zero = true;
                rst.task.exit = Some(exit);
            })
        };
        let exited = ended(Exit::Status(0)).said();
        assert!(exited.ends_with("it was closed as nginx[77] exited with status 0"), "{exited}");
        assert_eq!(ended(Exit::Signal(9)).code(), "process-killed");
    }
}
