//! All that tcpwatch said in one run, with the account at the end.

use serde_json::Value;

use crate::bystander;
use crate::namespace::Namespace;
use crate::verdict::{Verdict, netns};

/// The lines of a finished run.
pub struct Report {
    lines: Vec<Value>,
    totals: Value,
    story: String,
}

impl Report {
    /// `None` when the last line is not the totals. Nobody may have named the [`bystander`].
    pub(crate) fn new(lines: Vec<Value>, story: String) -> Option<Self> {
        let totals = lines.last().filter(|line| line["type"] == "totals")?.clone();
        let named = bystander::named_in(&lines);
        assert!(named.is_empty(), "who was only busy is named in {named:?}\n{story}");
        Some(Self { lines, totals, story })
    }

    pub fn verdicts(&self) -> Vec<Verdict> {
        self.lines.iter().filter_map(Verdict::from_line).collect()
    }

    /// Nothing was said about any reset, because there was none.
    pub fn is_silent(&self) {
        self.demand(self.verdicts().is_empty(), "expected no verdict");
        // The totals account for the whole machine; what is not ours was hidden by the filter.
        let all = self.total("explained") + self.total("unexplained");
        self.demand(all == self.total("hidden"), "expected totals of hidden verdicts only");
    }

    /// Exactly so many verdicts on resets sent by this namespace.
    pub fn has_sent(&self, namespace: &Namespace, count: usize) {
        let sent = |v: &Verdict| v.direction() == "sent" && v.netns() == Some(namespace.inode());
        let found = self.verdicts().iter().filter(|verdict| sent(verdict)).count();
        self.demand(
            found == count,
            &format!("expected {count} verdicts on resets sent by {namespace}, got {found}"),
        );
    }

    /// Exactly so many verdicts on resets that reached this namespace.
    pub fn has_received(&self, namespace: &Namespace, count: usize) {
        let received =
            |v: &Verdict| v.direction() == "received" && v.netns() == Some(namespace.inode());
        let found = self.verdicts().iter().filter(|verdict| received(verdict)).count();
        self.demand(
            found == count,
            &format!("expected {count} verdicts on resets that reached {namespace}, got {found}"),
        );
    }

    /// The account of this namespace closes: what the kernel counted, tcpwatch saw, and nothing was lost.
    pub fn accounts_for(&self, namespace: &Namespace, resets: i64) {
        let accounts = self.totals["namespaces"].as_array();
        let account =
            accounts.and_then(|all| all.iter().find(|line| netns(line) == Some(namespace.inode())));
        let Some(account) = account else {
            return self.demand(resets == 0, &format!("the totals do not mention {namespace}"));
        };
        self.demand(
            account["sent"] == resets,
            &format!("expected {resets} resets sent by {namespace}"),
        );
        self.demand(
            account["out_rsts"] == resets,
            &format!("expected OutRsts {resets} of {namespace}"),
        );
        self.demand(
            account["difference"] == 0,
            &format!("expected no difference to the kernel in {namespace}"),
        );
        self.demand(self.total("lost") == 0, "expected nothing to be lost");
    }

    /// So many resets were judged, one by one or folded.
    pub fn has_judged_at_least(&self, resets: u64) {
        let judged = self.total("explained") + self.total("unexplained");
        self.demand(
            judged >= resets,
            &format!("expected {resets} resets in the totals, got {judged}"),
        );
    }

    fn total(&self, name: &str) -> u64 {
        self.totals[name]
            .as_u64()
            .unwrap_or_else(|| panic!("the totals have no {name}\n{}", self.story))
    }

    fn demand(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.story);
    }
}
