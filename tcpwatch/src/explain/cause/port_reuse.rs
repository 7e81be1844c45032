//! A new connection met what was left of an older one between the same ports.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Flow, RstSent, TcpState};
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A client used a port again that the other end still had in use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortReuse {
    /// Who used its port again.
    pub client: Endpoint,
    pub server: Endpoint,
    pub older: Older,
    /// Acknowledgement number of the answer, where it shows that another connection answered.
    pub acknowledged: Option<u32>,
    /// Seconds since this host gave the older connection up by itself, where that was seen.
    pub aborted_ago_s: Option<f64>,
}

/// Where the older connection was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Older {
    /// The server elsewhere still has it; it answered our SYN with an ACK of that one (RFC 5961, 4.2).
    AtServer,
    /// It was closed here, and waits for the client's end.
    Closing,
    /// Its handshake is not complete.
    Beginning,
}

impl Explains for PortReuse {
    const CODE: &'static str = "port-reuse";
    const MEANING: &'static str = "a new connection met an older one between the same ports";

    const PAGE: Page = Page {
        group: Group::Attempt,
        about: "A client used a source port again while something was left of an older connection between the same \
            addresses and ports: the server still had that connection, or it was still closing, or its handshake was \
            not complete. One of the two ends answers the other's segment with a RST, and mostly the next attempt \
            succeeds. Port translation with few ports makes it frequent.",
        shown_by: "an answer to a SYN that acknowledges another connection, or a SYN that met the remains of one",
        conditions: &[
            "An ACK answered this host's SYN, that is no SYN+ACK and acknowledges another number: only an end \
                that still has a connection between these ports answers so; or",
            "a SYN met what is left of a connection that was closed here and whose peer has not ended it; or",
            "a SYN with another sequence number met a handshake between the same ports.",
        ],
        certainty: "observed",
        alike: &[
            ("bad-handshake-ack", "an ACK, and no SYN, met an unfinished handshake"),
            ("peer-wrote-after-close", "data of the old connection, and no SYN, met its remains"),
        ],
        advice: Advice {
            now: "nothing: the client's next attempt succeeds",
            fix: "let the kernel choose source ports; close in order; behind a NAT: more ports or addresses",
            trade_off: "every address more is one more to be allowed and observed",
            do_not: "shorten TIME_WAIT or tcp_fin_timeout, or close with SO_LINGER zero, to free ports sooner",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "replies::a_port_that_the_server_still_knows_is_a_port_reuse" },
    };

    /// The reuse of a port caused the reset when
    /// 1. an ACK answered this host's SYN, that is no SYN+ACK and acknowledges another number: only an end that still
    ///    has a connection between these ports answers so; or
    /// 2. a SYN met what is left of a connection that was closed here and whose peer has not ended it; or
    /// 3. a SYN with another sequence number met a handshake between the same ports.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rst = case.reply()?;
        let older = match case.mechanism() {
            Mechanism::BadAckToSyn => Older::AtServer,
            Mechanism::SegmentToTimeWait => Older::Closing,
            Mechanism::SynDuringHandshake => Older::Beginning,
            _ => return None,
        };
        let fits = match older {
            Older::AtServer => acknowledges_another(rst),
            Older::Closing => rst.segment.flags.syn() && rst.socket?.substate == Some(TcpState::FinWait2),
            Older::Beginning => rst.segment.flags.syn() && !rst.segment.flags.ack(),
        };
        fits.then(|| (Certainty::Observed, describe(case, rst, older)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let met = match self.older {
            Older::AtServer => format!("{} answered the SYN with an ACK of another connection", self.server),
            Older::Closing => format!("a SYN from {} met a connection closed here, not ended there", self.client),
            Older::Beginning => format!("a SYN from {} met the handshake of an earlier one", self.client),
        };
        let mut lines = vec![Evidence::new("tcp", met)];
        if let Some(acknowledged) = self.acknowledged {
            lines.push(Evidence::new("tcp", format!("it acknowledges {acknowledged}, which the SYN does not bear out")));
        }
        if let Some(ago) = self.aborted_ago_s {
            lines.push(Evidence::new("tcp", format!("this host gave the older one up {ago:.3} s before")));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        match self.older {
            Older::AtServer => Remedy {
                now: "nothing: the reset ends the older connection, and the SYN is sent again".into(),
                ..Self::PAGE.advice.into()
            },
            Older::Closing | Older::Beginning => Self::PAGE.advice.into(),
        }
    }
}

impl fmt::Display for PortReuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, server, .. } = self;
        match self.older {
            Older::AtServer => write!(f, "{client} dialled {server}, which still has a connection with that port"),
            Older::Closing => write!(f, "{client} used its port again while {server} waited for the end of the last connection"),
            Older::Beginning => write!(f, "{client} used its port again while its last handshake with {server} was not complete"),
        }
    }
}

/// Condition 1. The kernel's other reason to refuse there is a timestamp that is not ours (net/ipv4/tcp_input.c,
/// `tcp_rcv_synsent_state_process`).
fn acknowledges_another(rst: &RstSent) -> bool {
    let segment = rst.segment;
    let strange = match (&rst.conversation, rst.reason.as_deref()) {
        (Some(talk), _) => segment.ack.wrapping_sub(talk.snd_una).wrapping_sub(1) >= talk.unacknowledged(),
        (None, reason) => reason == Some("TCP_INVALID_ACK_SEQUENCE"),
    };
    segment.flags.ack() && !segment.flags.syn() && strange
}

fn describe(case: &Case<'_>, rst: &RstSent, older: Older) -> PortReuse {
    let Flow { local, remote } = case.flow();
    let dialled = older == Older::AtServer;
    let aborted = case.aborted_before().yes().map(|abort| case.time().since(abort.time).as_secs_f64());
    PortReuse {
        client: if dialled { local } else { remote },
        server: if dialled { remote } else { local },
        older,
        acknowledged: dialled.then_some(rst.segment.ack),
        aborted_ago_s: aborted,
    }
}

#[cfg(test)]
mod tests {
    use crate::event::TcpFlags;
    use crate::explain::story::{Late, Story};

    const CLIENT: &str = "10.0.0.1:40000";
    const SERVER: &str = "192.0.2.1:80";
    const ISN: u32 = 1_000;

    fn dialled() -> Story {
        Story::new().after(5)
    }

    #[test]
    fn a_server_that_still_has_the_connection_is_named() {
        let said = dialled().syn_answered(CLIENT, SERVER, ISN, TcpFlags::ACK, 77).said();
        assert_eq!(
            said,
            "port-reuse observed: 10.0.0.1:40000 dialled 192.0.2.1:80, which still has a connection with that port"
        );
    }

    #[test]
    fn an_older_connection_given_up_here_is_told() {
        let story = dialled().aborts(CLIENT, SERVER).after(800).syn_answered(CLIENT, SERVER, ISN, TcpFlags::ACK, 77);
        let crate::explain::verdict::Finding::Explained(best) = story.verdicts().remove(1).finding else { panic!() };
        assert!(best.cause.evidence().iter().any(|line| line.text.contains("0.800 s before")));
    }

    #[test]
    fn a_syn_ack_that_does_not_fit_is_another_matter() {
        let story = dialled().syn_answered(CLIENT, SERVER, ISN, TcpFlags::SYN | TcpFlags::ACK, 77);
        assert_eq!(story.code(), "unexplained");
    }

    #[test]
    fn an_ack_of_this_very_syn_was_refused_for_its_timestamp() {
        assert_eq!(dialled().syn_answered(CLIENT, SERVER, ISN, TcpFlags::ACK, ISN + 1).code(), "unexplained");
    }

    #[test]
    fn a_syn_that_meets_a_connection_still_closing() {
        let story = Story::new().finds("0.0.0.0:80").after(5);
        let said = story.late_segment("10.0.0.1:80", "10.0.0.9:40000", Late::to_time_wait(900).syn()).said();
        assert_eq!(
            said,
            "port-reuse observed: 10.0.0.9:40000 used its port again while 10.0.0.1:80 waited for the end of the last \
             connection"
        );
    }

    #[test]
    fn a_second_syn_in_the_middle_of_a_handshake() {
        let said = Story::new().finds("0.0.0.0:80").after(5).syn_meets_listener("10.0.0.1:80", "10.0.0.9:40000").said();
        assert_eq!(
            said,
            "port-reuse observed: 10.0.0.9:40000 used its port again while its last handshake with 10.0.0.1:80 \
             was not complete"
        );
    }
}
