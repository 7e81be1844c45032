//! Somebody removed the connection's conntrack entry, and the translation went with it.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{ConntrackState, Death, Remover};
use crate::explain::case::Case;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::translation::Translation;
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A living connection lost its address translation to a flush or a delete.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConntrackFlushed {
    #[serde(flatten)]
    pub translation: Translation,
    /// `null` when the kernel did not say who.
    pub remover: Option<Remover>,
    /// Seconds the entry still had.
    pub remaining_s: f64,
}

impl Explains for ConntrackFlushed {
    const CODE: &'static str = "conntrack-flushed";
    const MEANING: &'static str = "a living connection's conntrack entry was deleted, and its translation was lost";

    const PAGE: Page = Page {
        group: Group::Path,
        about: "Somebody deleted the conntrack entry of a living connection (`conntrack -F`, `conntrack -D`, a \
            network plugin, a restart of a firewall), and the address translation went with it. The next segment \
            goes astray and is answered with a RST.",
        shown_by: "the deletion of the connection's entry with time left, and by whom where the kernel says",
        conditions: &[
            "The connection lost its translation: an entry that had seen both directions and translated the \
                destination died before the segment came, and the segment went astray.",
            "The entry was removed with time left.",
            "By somebody: the remover is known by proof, or the kernel had no reason of its own, as the entry was \
                neither unassured nor closing.",
        ],
        certainty: "observed where the take-up of the next segment, or the client's own socket, bears it out; else \
            inferred",
        alike: &[
            ("conntrack-expired", "the time of the entry had run out"),
            ("conntrack-evicted", "the table was full, and the entry made room for another"),
            ("pod-ip-reuse", "the translation stayed, and the address behind it went to somebody else"),
        ],
        advice: Advice {
            now: "the client must reconnect; nothing is broken on the server",
            fix: "find why living entries are deleted; delete by exact tuple only",
            trade_off: "an entry that is never deleted keeps traffic going to a back end that has left",
            do_not: "run `conntrack -F` on a node that carries traffic",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "conntrack::a_flush_sends_a_living_connection_to_the_other_back_end",
        },
    };

    /// The removal caused the reset when
    /// 1. the connection lost its translation (see [`crate::explain::translation::LostTranslation::of`]),
    /// 2. its entry was removed with time left, and
    /// 3. by somebody: the remover is known by proof, or the kernel had no reason of its own. For want of room it
    ///    takes entries that are unassured (net/netfilter/nf_conntrack_core.c, `early_drop`) or closing
    ///    (`gc_worker_can_early_drop`).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let lost = case.lost_translation().yes()?;
        let Death::Removed { remaining } = lost.entry.death? else { return None };
        let settled = matches!(lost.entry.state, None | Some(ConntrackState::Established));
        if lost.entry.remover.is_none() && !(lost.entry.assured && settled) {
            return None;
        }
        let translation = lost.describe(case);
        let cause = Self { remover: lost.entry.remover.clone(), remaining_s: remaining.as_secs_f64(), translation };
        Some((cause.translation.certainty(), cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.translation.evidence(&format!("entry deleted by {}, {:.0} s left", self.by(), self.remaining_s))
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            fix: format!("find why {} deletes living entries; delete by exact tuple only", self.by()),
            ..Self::PAGE.advice.into()
        }
    }
}

impl ConntrackFlushed {
    fn by(&self) -> String {
        self.remover.as_ref().map_or_else(|| "an unknown hand".into(), ToString::to_string)
    }
}

impl fmt::Display for ConntrackFlushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consequence = self.translation.consequence();
        write!(f, "{} deleted the conntrack entry of this connection; {consequence}", self.by())
    }
}

#[cfg(test)]
mod tests {
    use crate::explain::story::{Story, expired, removed};

    const CLIENT: &str = "10.0.0.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    const OLD: &str = "10.0.0.2:80";
    const NEW: &str = "10.0.0.1:80";

    #[test]
    fn a_deleted_entry_is_a_flush() {
        let story = Story::new().finds("0.0.0.0:80").loses_entry(CLIENT, SERVICE, OLD, removed(86_000)).after(5);
        let story = story.data_meets_listener(NEW, CLIENT, 5).after(1).pickup_dies(CLIENT, SERVICE, NEW);
        assert_eq!(
            story.said(),
            "conntrack-flushed observed: an unknown hand deleted the conntrack entry of this connection; \
             its next segment went to another back end"
        );
    }

    #[test]
    fn an_entry_whose_time_ran_out_was_not_flushed() {
        let story = Story::new().finds("0.0.0.0:80").loses_entry(CLIENT, SERVICE, OLD, expired()).after(5);
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "conntrack-expired");
    }

    #[test]
    fn the_entry_that_the_reset_itself_kills_is_not_the_one_that_was_flushed() {
        let story = Story::new().finds("0.0.0.0:80").data_meets_listener(NEW, CLIENT, 5);
        assert_eq!(story.after(1).pickup_dies(CLIENT, SERVICE, NEW).code(), "unexplained");
    }
}
