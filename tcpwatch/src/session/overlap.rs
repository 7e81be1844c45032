//! Several recordings of one host at the same time: what one has told, the next does not tell again.
//!
//! Recordings come in the order in which they began. A later one goes through its events from the beginning, for what
//! it has to tell later may rest on them, but keeps quiet for as long as an earlier one has spoken.

use std::collections::VecDeque;

use crate::engine::Engine;
use crate::event::{Event, HostDescribed, Time};
use crate::explain::verdict::{Conclusion, Finding, NamespaceTotals, Totals, Verdict};

/// What was told of a host before.
#[derive(Default)]
pub(super) struct Overlap {
    told: Vec<Told>,
    now: Option<Told>,
    /// Spans of the present boot that were told before.
    spans: Vec<(Time, Time)>,
    /// When the last of them ends.
    end: Time,
    /// What the present recording repeats.
    repeated: Totals,
    ids: VecDeque<u64>,
    /// Its account at the end of the last span.
    accounts: Option<Vec<NamespaceTotals>>,
}

/// From when to when one recording speaks.
struct Told {
    boot_id: String,
    since: Time,
    until: Time,
}

impl Overlap {
    /// The next recording begins.
    pub(super) fn begin(&mut self, host: &HostDescribed) {
        let (boot_id, since) = (host.boot_id.clone(), host.time);
        self.told.extend(self.now.take());
        let same = self.told.iter().filter(|told| told.boot_id == boot_id && told.until >= since);
        self.spans = same.map(|told| (told.since, told.until)).collect();
        self.end = self.spans.iter().map(|span| span.1).max().unwrap_or_default();
        self.now = Some(Told { boot_id, since, until: since });
        self.repeated = Totals::default();
        self.ids.clear();
        self.accounts = None;
    }

    pub(super) fn come_to(&mut self, event: &Event, engine: &Engine) {
        let time = event.time();
        if let Some(now) = &mut self.now {
            now.until = now.until.max(time);
        }
        if self.spans.is_empty() {
            return;
        }
        if let Event::EventsLost(lost) = event
            && self.repeats(time)
        {
            self.repeated.lost = self.repeated.lost.saturating_add(lost.count);
        }
        if self.accounts.is_none() && time > self.end {
            self.accounts = Some(engine.totals().namespaces);
        }
    }

    pub(super) fn repeats(&self, time: Time) -> bool {
        self.spans.iter().any(|(since, until)| *since <= time && time <= *until)
    }

    /// Only what was not told before.
    pub(super) fn sift(&mut self, conclusions: Vec<Conclusion>) -> Vec<Conclusion> {
        if self.spans.is_empty() {
            return conclusions;
        }
        conclusions.into_iter().filter(|conclusion| self.is_new(conclusion)).collect()
    }

    fn is_new(&mut self, conclusion: &Conclusion) -> bool {
        match conclusion {
            Conclusion::Verdict(verdict) if self.repeats(verdict.time) => {
                self.repeat(verdict);
                false
            }
            Conclusion::Verdict(_) => true,
            Conclusion::Amendment(amendment) => self.ids.binary_search(&amendment.of).is_err(),
        }
    }

    fn repeat(&mut self, verdict: &Verdict) {
        if self.ids.len() == KEPT {
            self.ids.pop_front();
        }
        self.ids.push_back(verdict.id);
        match &verdict.finding {
            Finding::Explained(best) => {
                self.repeated.explained += 1;
                *self.repeated.causes.entry(best.cause.code()).or_default() += 1;
            }
            Finding::Unexplained { .. } => self.repeated.unexplained += 1,
        }
    }

    /// The account of the present recording as far as it is its own.
    pub(super) fn without_repeats(&self, mut totals: Totals) -> Totals {
        if self.spans.is_empty() {
            return totals;
        }
        totals.explained -= self.repeated.explained;
        totals.unexplained -= self.repeated.unexplained;
        totals.lost -= self.repeated.lost;
        for (code, count) in &self.repeated.causes {
            totals.causes.entry(code).and_modify(|all| *all -= count);
        }
        totals.causes.retain(|_, count| *count > 0);
        let all = std::mem::take(&mut totals.namespaces);
        if let Some(before) = &self.accounts {
            totals.namespaces =
                all.into_iter().filter_map(|account| since(account, before)).collect();
        }
        totals
    }
}

/// What was added to an account; `None` if nothing was.
fn since(account: NamespaceTotals, before: &[NamespaceTotals]) -> Option<NamespaceTotals> {
    let same =
        |known: &&NamespaceTotals| known.netns == account.netns && known.name == account.name;
    let Some(before) = before.iter().find(same) else { return Some(account) };
    let sent = account.sent.saturating_sub(before.sent);
    let out_rsts =
        account.out_rsts.zip(before.out_rsts).map(|(now, then)| now.saturating_sub(then));
    let difference =
        account.difference.zip(before.difference).map(|(now, then)| now.saturating_sub(then));
    let some = sent > 0 || out_rsts.is_some_and(|count| count > 0);
    some.then_some(NamespaceTotals { sent, out_rsts, difference, ..account })
}

/// Ids kept of what is repeated, for amendments; these come within half a minute.
const KEPT: usize = 65_536;
