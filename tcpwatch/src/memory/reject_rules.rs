//! Which firewall rules refuse with a RST, as far as somebody has looked?

use std::collections::BTreeMap;

use crate::event::{NetNs, RejectRulesFound};

/// The latest list of each namespace.
#[derive(Default)]
pub struct RejectRules {
    latest: BTreeMap<NetNs, RejectRulesFound>,
}

impl RejectRules {
    pub fn found(&mut self, found: &RejectRulesFound) {
        self.latest.insert(found.netns, found.clone());
    }

    pub fn forget(&mut self, netns: NetNs) {
        self.latest.remove(&netns);
    }

    pub fn of(&self, netns: NetNs) -> Option<&RejectRulesFound> {
        self.latest.get(&netns)
    }
}
