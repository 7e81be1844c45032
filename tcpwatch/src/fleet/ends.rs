//! Resets that left some host, kept for those that receive them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::host::Host;
use super::{APART, NANOS, Place};
use crate::event::{Acknowledged, Endpoint, HostId};
use crate::explain::verdict::Verdict;

/// One of the ends of a reset: the host, and the number its own memory gave to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EndId(pub(super) HostId, pub(super) u64);

/// What left lately.
#[derive(Default)]
pub(super) struct Ends {
    sent: HashMap<EndId, Sent>,
    /// By whom it was sent to, and sequence number.
    by_receiver: HashMap<(Endpoint, u32), Vec<EndId>>,
    /// By sequence number, where that is chosen at random.
    by_number: HashMap<u32, Vec<EndId>>,
    order: VecDeque<EndId>,
}

struct Sent {
    verdict: Arc<Verdict>,
    place: Place,
    /// Under which number it was told; `None`: it is held still.
    number: Option<u64>,
    /// Its other end is known.
    taken: bool,
}

impl Ends {
    pub(super) fn sent(&mut self, id: EndId, place: Place, verdict: &Arc<Verdict>) {
        self.forget(place.wall - KEPT_FOR);
        let (receiver, seq) = (verdict.flow.remote, verdict.rst.seq);
        self.by_receiver.entry((receiver, seq)).or_default().push(id);
        if seq != 0 {
            self.by_number.entry(seq).or_default().push(id);
        }
        self.order.push_back(id);
        let verdict = Arc::clone(verdict);
        self.sent.insert(id, Sent { verdict, place, number: None, taken: false });
    }

    /// Another end on the same host received it.
    pub(super) fn taken(&mut self, id: EndId) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.taken = true;
        }
    }

    pub(super) fn place(&self, id: EndId) -> Option<Place> {
        self.sent.get(&id).map(|sent| sent.place)
    }

    /// The place behind it, if it was not told yet and comes later than `place`.
    pub(super) fn still_held(&self, id: EndId, place: Place) -> Option<Place> {
        let sent = self.sent.get(&id).filter(|sent| sent.number.is_none())?;
        (place < sent.place).then(|| place.behind(sent.place))
    }

    pub(super) fn number(&self, id: EndId) -> Option<u64> {
        self.sent.get(&id)?.number
    }

    pub(super) fn set_number(&mut self, id: EndId, number: u64) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.number = Some(number);
        }
    }

    /// The two ends are one reset. When it was sent, by the wall clock.
    pub(super) fn join(&mut self, id: EndId) -> Option<(Arc<Verdict>, i128)> {
        let sent = self.sent.get_mut(&id)?;
        sent.taken = true;
        Some((Arc::clone(&sent.verdict), sent.place.wall))
    }

    /// Who sent, on another host, the reset that was received there: between the same endpoints, with the same
    /// numbers, at about the same time. Where two hosts could have sent it, nobody has.
    pub(super) fn sender_of(
        &self,
        to: HostId,
        received: &Verdict,
        wall: i128,
        hosts: &BTreeMap<HostId, Host>,
    ) -> Option<EndId> {
        let ids = self.by_receiver.get(&(received.flow.local, received.rst.seq))?;
        let fits = |id: &&EndId| {
            self.sent.get(id).is_some_and(|sent| {
                id.0 != to
                    && sent.is_free_at(wall)
                    && sent.is_from(received)
                    && (received.rst.seq != 0 || are_sure(**id, to, &sent.verdict, received, hosts))
            })
        };
        let mut fitting = ids.iter().filter(fits);
        let first = fitting.next()?;
        // A host that sends the same reset twice means the one that was accepted, which is the first.
        fitting.all(|other| other.0 == first.0).then_some(*first)
    }

    /// One with the same number between other endpoints: perhaps the same, translated on its way.
    pub(super) fn like(&self, received: &Verdict, wall: i128) -> Option<(EndId, &Verdict)> {
        let ids = self.by_number.get(&received.rst.seq)?;
        let free = ids.iter().filter_map(|id| Some((*id, self.sent.get(id)?)));
        let mut free = free.filter(|(_, sent)| sent.is_free_at(wall));
        free.next().map(|(id, sent)| (id, &*sent.verdict))
    }

    fn forget(&mut self, before: i128) {
        while let Some(id) = self.order.front().copied() {
            let old = self.sent.get(&id).is_none_or(|sent| sent.place.wall < before);
            if !old && self.order.len() < KEPT {
                return;
            }
            self.order.pop_front();
            let Some(sent) = self.sent.remove(&id) else { continue };
            let (receiver, seq) = (sent.verdict.flow.remote, sent.verdict.rst.seq);
            remove(&mut self.by_receiver, &(receiver, seq), id);
            remove(&mut self.by_number, &seq, id);
        }
    }
}

impl Sent {
    fn is_free_at(&self, wall: i128) -> bool {
        !self.taken && (self.place.wall - wall).abs() <= APART
    }

    /// The endpoints are the same, or the service address that the sender knows its client has used.
    fn is_from(&self, received: &Verdict) -> bool {
        let Verdict { flow, service, rst, .. } = &*self.verdict;
        let known = flow.local == received.flow.remote || *service == Some(received.flow.remote);
        known && !flow.local.addr.is_loopback() && fit(rst.ack, received.rst.ack)
    }
}

/// The answer to a SYN bears the sequence number 0. What it acknowledges is chosen at random; where that was not seen,
/// each address must belong to one of the two hosts and not to the other.
fn are_sure(
    from: EndId,
    to: HostId,
    sent: &Verdict,
    received: &Verdict,
    hosts: &BTreeMap<HostId, Host>,
) -> bool {
    if let (Acknowledged::Number(_), Acknowledged::Number(_)) = (sent.rst.ack, received.rst.ack) {
        return true;
    }
    let (Some(here), Some(there)) = (hosts.get(&to), hosts.get(&from.0)) else { return false };
    let (client, server) = (received.flow.local.addr, sent.flow.local.addr);
    here.holds(client) && !here.holds(server) && there.holds(server) && !there.holds(client)
}

/// What was not seen speaks against nothing.
fn fit(one: Acknowledged, other: Acknowledged) -> bool {
    one == other || one == Acknowledged::Unseen || other == Acknowledged::Unseen
}

fn remove<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<EndId>>, key: &K, id: EndId) {
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|known| *known != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// Resets kept, in a storm.
const KEPT: usize = 131_072;

/// Longer than an amendment may come after its verdict.
const KEPT_FOR: i128 = 60 * NANOS;
