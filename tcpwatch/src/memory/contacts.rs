//! Who knocked at how many closed ports?

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::event::{Flow, NetNs, RstSent, Time};

/// The ports at which each source found nobody, lately.
#[derive(Default)]
pub struct Contacts {
    by_source: HashMap<Source, Ports>,
    /// The oldest source is forgotten first.
    order: VecDeque<Source>,
}

/// Into which namespace, and from where.
type Source = (NetNs, IpAddr);

/// When each port was tried last.
type Ports = BTreeMap<u16, Time>;

impl Contacts {
    pub fn replied(&mut self, rst: &RstSent) {
        let dials = rst.segment.flags.syn() && !rst.segment.flags.ack();
        if rst.socket.is_none() && dials {
            self.found_nobody(rst.netns, rst.flow, rst.time);
        }
    }

    fn found_nobody(&mut self, netns: NetNs, flow: Flow, time: Time) {
        let source = (netns, flow.remote.addr);
        if !self.by_source.contains_key(&source) {
            self.make_room();
            self.order.push_back(source);
        }
        let ports = self.by_source.entry(source).or_default();
        ports.insert(flow.local.port, time);
        if ports.len() > MOST_PORTS {
            ports.retain(|_, tried| time.since(*tried) <= SPAN);
        }
        if ports.len() > MOST_PORTS {
            ports.pop_first();
        }
    }

    /// How many ports a source tried in vain in the seconds up to `until`, and for how long it did.
    pub fn tried(&self, netns: NetNs, source: IpAddr, until: Time) -> (usize, Duration) {
        let ports = self.by_source.get(&(netns, source)).into_iter().flatten();
        let lately: Vec<_> =
            ports.map(|(_, tried)| *tried).filter(|tried| *tried >= until.minus(SPAN)).collect();
        let first = lately.iter().min().copied().unwrap_or(until);
        let last = lately.iter().max().copied().unwrap_or(until);
        (lately.len(), last.since(first))
    }

    fn make_room(&mut self) {
        if self.order.len() == SOURCES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_source.remove(&oldest);
        }
    }
}

/// Ports tried within this time belong together.
const SPAN: Duration = Duration::from_secs(10);

/// Sources remembered.
const SOURCES: usize = 4_096;

/// Ports remembered of one source: enough to know what it is doing.
const MOST_PORTS: usize = 256;
