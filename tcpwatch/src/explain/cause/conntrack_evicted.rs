//! The conntrack table was full, and the connection's entry went to make room for another; its translation went too.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{ConntrackDestroyed, ConntrackState, Death, Time};
use crate::explain::case::{Case, Pressure};
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::translation::Translation;
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// A connection lost its address translation to the want of room.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConntrackEvicted {
    #[serde(flatten)]
    pub translation: Translation,
    /// Seconds the entry still had.
    pub remaining_s: f64,
    pub shown_by: Proof,
    /// Of the table, when its counters were read; `null` when they were not.
    pub table: Option<Table>,
}

/// How it is known that room was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The entry was removed within `early_drop`.
    Removal,
    /// The table was full and dropped entries about that time.
    Counters,
}

/// How full a table was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    pub entries: u64,
    /// `nf_conntrack_max`.
    pub limit: u64,
    /// Entries dropped for want of room between two readings around the removal.
    pub early_drops: u64,
    #[serde(skip)]
    read_at: Time,
}

impl Explains for ConntrackEvicted {
    const CODE: &'static str = "conntrack-evicted";
    const MEANING: &'static str = "the conntrack table was full: a connection's entry made room for another";

    const PAGE: Page = Page {
        group: Group::Path,
        about: "The conntrack table was full, and the entry of this connection went to make room for another one; \
            the address translation went with it. The next segment is translated anew, to another back end that \
            knows nothing of the connection, or it reaches the client with the back end's own address. Either is \
            answered with a RST. The kernel takes entries that are not assured yet, or that are closing.",
        shown_by: "the removal of the connection's entry with time left and by nobody, within early_drop or while \
            the table was full",
        conditions: &[
            "The connection lost its translation: an entry that translated it died, and the next segment went \
                astray.",
            "The entry was removed with time left, and by nobody.",
            "It was removed within early_drop; or the table was full, and the entry one the kernel takes then: \
                unassured, with the table seen to drop entries about that time, or closing.",
        ],
        certainty: "observed where the take-up of the next segment, or the client's own socket, bears it out; else \
            inferred",
        alike: &[
            ("conntrack-flushed", "somebody deleted the entry, or the kernel would have had no reason to take it"),
            ("conntrack-expired", "the time of the entry had run out"),
        ],
        advice: Advice {
            now: "see what fills the table: conntrack -L | awk '{print $4}' | sort | uniq -c; conntrack -S",
            fix: "raise net.netfilter.nf_conntrack_max and its hash size; end the flood of new flows",
            trade_off: "an entry takes some 300 bytes of kernel memory; a larger table only delays a flood",
            do_not: "flush the table: that breaks every translated connection at once",
        },
        otherwise: &[],
        reproduce: Reproduce { demo: None, scenario: "netfilter::a_full_table_takes_the_entry_of_a_handshake" },
    };

    /// The want of room caused the reset when
    /// 1. the connection lost its translation (see [`crate::explain::translation::LostTranslation::of`]),
    /// 2. its entry was removed with time left, and by nobody, and
    /// 3. either
    ///    a. it was removed within `early_drop` (net/netfilter/nf_conntrack_core.c), or
    ///    b. the table was full, and the entry one the kernel takes then: unassured, with the table seen to drop
    ///    entries about that time (`early_drop`), or closing (`gc_worker_can_early_drop`).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let lost = case.lost_translation().yes()?;
        let Some(Death::Removed { remaining }) = lost.entry.death.filter(|_| lost.entry.remover.is_none()) else {
            return None;
        };
        let pressure = case.conntrack_pressure(lost.entry.netns, lost.entry.time);
        let (shown_by, certainty) = proof(lost.entry, pressure.as_ref())?;
        let translation = lost.describe(case);
        let certainty = certainty.min(translation.certainty());
        let table = pressure.map(Table::from);
        Some((certainty, Self { translation, remaining_s: remaining.as_secs_f64(), shown_by, table }))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let how = match self.shown_by {
            Proof::Removal => "dropped to make room in a full table",
            Proof::Counters => "removed by the kernel itself while the table was full",
        };
        let mut lines = self.translation.evidence(&format!("entry {how}, {:.0} s left", self.remaining_s));
        lines.extend(self.table.map(|table| Evidence::at("conntrack", table.read_at, table.to_string())));
        lines
    }

    fn remedy(&self) -> Remedy {
        let limit = self.table.map_or_else(String::new, |table| format!(" (now {})", table.limit));
        Remedy {
            fix: format!("raise net.netfilter.nf_conntrack_max{limit} and its hash size; end the flood of new flows"),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for ConntrackEvicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consequence = self.translation.consequence();
        write!(f, "the conntrack table was full and this connection's entry had to make room; {consequence}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, limit, early_drops, .. } = self;
        write!(f, "{entries} of {limit} entries; {early_drops} dropped early since the reading before")
    }
}

impl From<Pressure> for Table {
    fn from(pressure: Pressure) -> Self {
        let Pressure { entries, limit, early_drops, until, .. } = pressure;
        Self { entries, limit, early_drops, read_at: until }
    }
}

/// Condition 3.
fn proof(entry: &ConntrackDestroyed, pressure: Option<&Pressure>) -> Option<(Proof, Certainty)> {
    if entry.evicted {
        return Some((Proof::Removal, Certainty::Observed));
    }
    let pressure = pressure.filter(|pressure| pressure.is_full())?;
    let closing = matches!(entry.state, Some(ConntrackState::FinWait | ConntrackState::CloseWait));
    let taken = closing || (!entry.assured && pressure.early_drops > 0);
    taken.then_some((Proof::Counters, Certainty::Inferred))
}

#[cfg(test)]
mod tests {
    use crate::event::ConntrackState;
    use crate::explain::story::{Story, expired, removed};

    const CLIENT: &str = "10.0.0.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    const OLD: &str = "10.0.0.2:80";
    const NEW: &str = "10.0.0.1:80";

    fn served() -> Story {
        Story::new().finds("0.0.0.0:80")
    }

    /// Counters of the namespace that keeps the entry, before and after its death.
    fn under_pressure(entries: u64, early_drops: u64, state: ConntrackState, assured: bool) -> Story {
        let story = served().reads_conntrack(9, entries, 100, 40).after(5);
        let story = story.loses_unassured_entry(CLIENT, SERVICE, OLD, removed(100), state, assured).after(5);
        story.reads_conntrack(9, entries, 100, 40 + early_drops)
    }

    #[test]
    fn an_entry_removed_within_early_drop() {
        let story = served().evicts_entry(CLIENT, SERVICE, OLD).after(5).data_meets_listener(NEW, CLIENT, 5);
        assert_eq!(
            story.after(1).pickup_dies(CLIENT, SERVICE, NEW).said(),
            "conntrack-evicted observed: the conntrack table was full and this connection's entry had to make room; \
             its next segment went to another back end"
        );
    }

    #[test]
    fn a_handshake_whose_answer_came_untranslated() {
        let story = Story::new().evicts_entry("10.0.0.1:40000", SERVICE, OLD).after(5);
        assert_eq!(story.syn_ack_meets_nobody("10.0.0.1:40000", OLD).code(), "conntrack-evicted");
    }

    #[test]
    fn an_unassured_entry_while_the_table_drops_entries_is_inferred() {
        let said = under_pressure(100, 3, ConntrackState::SynRecv, false).data_meets_listener(NEW, CLIENT, 5).said();
        assert!(said.starts_with("conntrack-evicted inferred"), "{said}");
    }

    #[test]
    fn a_closing_entry_in_a_full_table_is_inferred() {
        let said = under_pressure(96, 0, ConntrackState::CloseWait, true).data_meets_listener(NEW, CLIENT, 5).said();
        assert!(said.starts_with("conntrack-evicted inferred"), "{said}");
    }

    #[test]
    fn a_table_that_dropped_nothing_did_not_drop_this_one() {
        let story = under_pressure(100, 0, ConntrackState::SynRecv, false);
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn a_table_with_room_did_not_need_any() {
        let story = under_pressure(50, 3, ConntrackState::SynRecv, false);
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "unexplained");
    }

    #[test]
    fn a_settled_connection_is_never_taken_for_room() {
        let story = under_pressure(100, 3, ConntrackState::Established, true);
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "conntrack-flushed");
    }

    #[test]
    fn an_entry_whose_time_ran_out_was_not_taken() {
        let story = served().reads_conntrack(9, 100, 100, 40).after(5);
        let story = story.loses_entry(CLIENT, SERVICE, OLD, expired()).after(5).reads_conntrack(9, 100, 100, 43);
        assert_eq!(story.data_meets_listener(NEW, CLIENT, 5).code(), "conntrack-expired");
    }

    #[test]
    fn without_the_counters_nothing_is_inferred() {
        let story = served().loses_unassured_entry(CLIENT, SERVICE, OLD, removed(100), ConntrackState::SynRecv, false);
        assert_eq!(story.after(5).data_meets_listener(NEW, CLIENT, 5).code(), "unexplained");
    }
}
