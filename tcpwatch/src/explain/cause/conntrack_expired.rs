//! The connection's conntrack entry outlived its timeout, and the translation went with it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Explains;
use crate::event::{ConntrackState, Death};
use crate::explain::case::Case;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::translation::{LostTranslation, Translation};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// An idle connection lost its address translation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConntrackExpired {
    #[serde(flatten)]
    pub translation: Translation,
    pub timeout: Timeout,
    /// Seconds between the end of its time and its removal; absent where the source does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_before_removal_s: Option<f64>,
}

/// The timeout that applied, as the namespace has it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeout {
    pub sysctl: String,
    /// Seconds; `None` when the namespace's value is not known.
    pub seconds: Option<u64>,
}

impl Explains for ConntrackExpired {
    const CODE: &'static str = "conntrack-expired";
    const MEANING: &'static str = "an idle connection's conntrack entry timed out, and its translation was lost";

    const PAGE: Page = Page {
        group: Group::Path,
        about: "A connection through a service address was silent for longer than conntrack keeps an entry. With the \
            entry went the address translation. The next segment of the client is translated anew, to another back \
            end that knows nothing of the connection and answers with a RST; or the back end speaks first, and the \
            client's kernel answers, which does not know the back end's own address. The client gets ECONNRESET, \
            often a day after it last said something.",
        shown_by: "the end of the connection's conntrack entry by timeout, and the next segment at a back end that \
            does not know it",
        conditions: &[
            "The connection lost its translation: an entry that had seen both directions and translated the \
                destination died before the segment came, and the segment went astray, to another back end or \
                untranslated to the client.",
            "The entry died because its time ran out.",
        ],
        certainty: "observed where the take-up of the next segment, or the client's own socket, bears it out; else \
            inferred",
        alike: &[
            ("conntrack-flushed", "the entry had time left, and was deleted"),
            ("conntrack-evicted", "the entry had time left, and made room in a full table"),
            (
                "pod-ip-reuse",
                "the translation stayed, and the address behind it went to somebody else: the kernel's own reset \
                    looks the same",
            ),
            ("server-restarted", "the listener is younger than the connection, and no translation was lost"),
        ],
        advice: Advice {
            now: "the client must reconnect; nothing is broken on the server",
            fix: "application: TCP keepalive (SO_KEEPALIVE) with an idle time well below the timeout of conntrack \
                (net.netfilter.nf_conntrack_tcp_timeout_established)",
            trade_off: "raising the timeout only makes it rarer and fills the table",
            do_not: "lower the timeout to save memory; turn conntrack off for service traffic",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: Some("conntrack"),
            scenario: "conntrack::an_idle_connection_outlives_its_entry",
        },
    };

    /// The expiry caused the reset when
    /// 1. the connection lost its translation (see [`LostTranslation::of`]), and
    /// 2. its entry died because its time ran out.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let lost = case.lost_translation().yes()?;
        let Death::Expired { before_removal } = lost.entry.death? else { return None };
        let translation = lost.describe(case);
        let cause = Self {
            timeout: timeout(case, &lost),
            expired_before_removal_s: before_removal.as_ref().map(Duration::as_secs_f64),
            translation,
        };
        Some((cause.translation.certainty(), cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = self.translation.evidence(&self.how());
        lines.push(Evidence::new("sysctl", self.timeout.to_string()));
        lines
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: format!(
                "application: TCP keepalive (SO_KEEPALIVE) with an idle time well below {}",
                self.timeout.in_words()
            ),
            trade_off: format!("raising {} only makes it rarer and fills the table", self.timeout.sysctl),
            ..Self::PAGE.advice.into()
        }
    }
}

impl ConntrackExpired {
    fn how(&self) -> String {
        match self.expired_before_removal_s {
            Some(s) if s >= 0.001 => format!("entry removed, {s:.3} s after it had expired"),
            _ => "entry expired".into(),
        }
    }
}

impl fmt::Display for ConntrackExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consequence = self.translation.consequence();
        write!(f, "the conntrack entry of this idle connection timed out; {consequence}")
    }
}

impl Timeout {
    fn in_words(&self) -> String {
        self.seconds.map_or_else(|| self.sysctl.clone(), |seconds| format!("{seconds} s"))
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            Some(seconds) => write!(f, "{} = {seconds} there", self.sysctl),
            None => write!(f, "{}: value not known", self.sysctl),
        }
    }
}

/// Which timeout ran (net/netfilter/nf_conntrack_proto_tcp.c, `tcp_timeouts`), and its value in the namespace that
/// kept the entry.
fn timeout(case: &Case<'_>, lost: &LostTranslation<'_>) -> Timeout {
    let sysctl = match lost.entry.state {
        Some(ConntrackState::CloseWait) => "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
        Some(ConntrackState::SynSent) => "net.netfilter.nf_conntrack_tcp_timeout_syn_sent",
        Some(ConntrackState::SynRecv) => "net.netfilter.nf_conntrack_tcp_timeout_syn_recv",
        Some(ConntrackState::FinWait) => "net.netfilter.nf_conntrack_tcp_timeout_fin_wait",
        _ => "net.netfilter.nf_conntrack_tcp_timeout_established",
    };
    let seconds = case.sysctl_of(lost.entry.netns, sysctl).and_then(|value| value.parse().ok());
    Timeout { sysctl: sysctl.into(), seconds }
}

#[cfg(test)]
mod tests {
    use crate::explain::story::{Story, expired};

    const CLIENT: &str = "10.0.0.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    const OLD: &str = "10.0.0.2:80";
    const NEW: &str = "10.0.0.1:80";

    fn idle() -> Story {
        Story::new().finds("0.0.0.0:80").loses_entry(CLIENT, SERVICE, OLD, expired()).after(60_000)
    }

    #[test]
    fn a_segment_that_goes_to_another_back_end_is_explained() {
        let story = idle().data_meets_listener(NEW, CLIENT, 5).after(1).pickup_dies(CLIENT, SERVICE, NEW);
        assert_eq!(
            story.said(),
            "conntrack-expired observed: the conntrack entry of this idle connection timed out; \
             its next segment went to another back end"
        );
    }

    #[test]
    fn without_the_entry_that_took_it_up_it_is_inferred() {
        let said = idle().data_meets_listener(NEW, CLIENT, 5).said();
        assert!(said.starts_with("conntrack-expired inferred"), "{said}");
    }

    #[test]
    fn a_back_end_that_speaks_first_reaches_the_client_untranslated() {
        let story = idle().data_meets_nobody(CLIENT, OLD);
        assert_eq!(
            story.said(),
            "conntrack-expired observed: the conntrack entry of this idle connection timed out; \
             the server's next segment came untranslated"
        );
    }

    #[test]
    fn the_same_back_end_as_before_was_not_reached_by_mistake() {
        assert_eq!(idle().data_meets_listener(OLD, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn an_untranslated_entry_has_no_translation_to_lose() {
        let story = Story::new().finds("0.0.0.0:80").loses_entry(CLIENT, OLD, OLD, expired());
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn the_entry_of_another_connection_is_no_evidence() {
        assert_eq!(idle().data_meets_listener(NEW, "10.0.0.9:40001", 5).code(), "unexplained");
    }

    #[test]
    fn an_entry_that_dies_afterwards_is_no_evidence() {
        let story = Story::new().finds("0.0.0.0:80").data_meets_listener(NEW, CLIENT, 5).after(50);
        assert_eq!(story.loses_entry(CLIENT, SERVICE, OLD, expired()).code(), "unexplained");
    }

    #[test]
    fn a_new_connection_from_the_same_port_is_not_a_lost_one() {
        assert_eq!(idle().syn_meets_nobody("10.0.0.1:81", CLIENT).code(), "no-listener");
    }

    #[test]
    fn a_connection_of_another_zone_with_the_same_tuple_makes_it_nobodys() {
        let two = || idle().loses_entry(CLIENT, SERVICE, OLD, expired()).in_zone(7).after(5);
        assert_eq!(two().data_meets_listener(NEW, CLIENT, 5).code(), "unexplained");
        assert_eq!(two().data_meets_nobody(CLIENT, OLD).code(), "unexplained");
        let proven = two().data_meets_listener(NEW, CLIENT, 5).after(1).pickup_dies(CLIENT, SERVICE, NEW).in_zone(7);
        assert_eq!(proven.code(), "conntrack-expired");
    }

    #[test]
    fn the_take_up_in_another_zone_is_of_another_connection() {
        let story = idle().data_meets_listener(NEW, CLIENT, 5).after(1).pickup_dies(CLIENT, SERVICE, NEW).in_zone(7);
        let said = story.said();
        assert!(said.starts_with("conntrack-expired inferred"), "{said}");
    }

    #[test]
    fn an_entry_that_died_long_ago_may_have_had_a_successor_unless_that_would_have_been_seen() {
        let spoken = |story: Story| story.after(61_000).data_meets_nobody(CLIENT, OLD).said();
        let dies = |story: Story| story.loses_entry(CLIENT, SERVICE, OLD, expired());
        let blind = dies(Story::blind_to(&[crate::event::Fact::ConntrackInvalid]));
        assert!(spoken(dies(Story::new())).starts_with("conntrack-expired observed"));
        assert!(spoken(blind).starts_with("conntrack-expired inferred"));
    }
}
