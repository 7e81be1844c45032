//! Refused connections that are waiting to learn that the port opened after all.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::event::{Endpoint, Event, ListenerChange, NetNs, Time};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{Amendment, Conclusion, Verdict};
use crate::explain::{Opening, opened_later};
use crate::memory::{Listeners, takes};

/// The latest refusal of each address that was dialled, for half a minute.
#[derive(Default)]
pub(super) struct Refusals {
    by_dialled: HashMap<(NetNs, Endpoint), Refused>,
    order: VecDeque<(Time, NetNs, Endpoint)>,
}

struct Refused {
    latest: u64,
    at: Time,
    count: u64,
}

impl Refusals {
    /// Remembers a refusal; answers it at once when the port opened while its case was still open.
    pub(super) fn remember(
        &mut self,
        verdict: &Verdict,
        listeners: &Listeners,
    ) -> Option<Amendment> {
        if verdict.mechanism != Mechanism::SynToNoSocket {
            return None;
        }
        let dialled = verdict.flow.local;
        let mut on_port = listeners.on_port(verdict.netns, dialled.port).iter();
        let opened = on_port
            .find(|known| !known.found && known.since > verdict.time && known.accepts(dialled));
        let refused = Refused { latest: verdict.id, at: verdict.time, count: 1 };
        if let Some(known) = opened {
            let opening = Opening {
                at: known.since,
                listener: known.listener.local,
                owner: known.owner.as_ref(),
            };
            return Some(amendment(&opening, dialled, &refused));
        }
        self.wait(verdict);
        None
    }

    fn wait(&mut self, verdict: &Verdict) {
        let key = (verdict.netns, verdict.flow.local);
        self.forget_before(verdict.time.minus(WAIT));
        let refused = self.by_dialled.entry(key).or_insert_with(|| {
            self.order.push_back((verdict.time, key.0, key.1));
            Refused { latest: 0, at: verdict.time, count: 0 }
        });
        *refused = Refused { latest: verdict.id, at: verdict.time, count: refused.count + 1 };
    }

    /// Amendments that follow when an event opens a port that was refused.
    pub(super) fn answered_by(&mut self, event: &Event) -> Vec<Amendment> {
        match event {
            Event::ListenerOpened(opened) => self.opened(opened),
            _ => Vec::new(),
        }
    }

    fn opened(&mut self, opened: &ListenerChange) -> Vec<Amendment> {
        self.forget_before(opened.time.minus(WAIT));
        let taken = |netns: NetNs, dialled: Endpoint| {
            netns == opened.netns && takes(&opened.listener, dialled)
        };
        let mut answered: Vec<_> =
            self.by_dialled.extract_if(|key, _| taken(key.0, key.1)).collect();
        self.order.retain(|(_, netns, dialled)| !taken(*netns, *dialled));
        answered.retain(|(_, refused)| opened.time.since(refused.at) <= WAIT);
        let opening = Opening {
            at: opened.time,
            listener: opened.listener.local,
            owner: opened.owner.as_ref(),
        };
        answered.sort_by_key(|(_, refused)| refused.latest);
        answered
            .into_iter()
            .map(|((_, dialled), refused)| amendment(&opening, dialled, &refused))
            .collect()
    }

    /// What opens under this number from now on is of another namespace.
    pub(super) fn forget(&mut self, netns: NetNs) {
        self.by_dialled.retain(|(of, _), _| *of != netns);
        self.order.retain(|(_, of, _)| *of != netns);
    }

    /// Bounds the memory by age, and a scan's by number.
    fn forget_before(&mut self, time: Time) {
        while let Some((since, netns, dialled)) = self.order.front().copied() {
            let old =
                self.by_dialled.get(&(netns, dialled)).is_none_or(|refused| refused.at < time);
            if self.order.len() <= KEPT && !(since < time && old) {
                return;
            }
            self.order.pop_front();
            self.by_dialled.remove(&(netns, dialled));
        }
    }
}

impl From<Amendment> for Conclusion {
    fn from(amendment: Amendment) -> Self {
        Self::Amendment(Box::new(amendment))
    }
}

fn amendment(opening: &Opening<'_>, dialled: Endpoint, refused: &Refused) -> Amendment {
    Amendment {
        of: refused.latest,
        time: opening.at,
        explanation: opened_later(dialled, refused.at, refused.count, opening),
        owner: opening.owner.cloned(),
    }
}

/// A port that opens later than this has another story.
const WAIT: Duration = Duration::from_secs(30);

/// Addresses dialled in vain that are remembered.
const KEPT: usize = 4_096;
