//! The demo's namespaces have no name that anybody could look up: what is told of them is given one on its way.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use crate::event::{Event, NetNs, Time};
use crate::source::Live;

/// A kernel being watched, some of whose namespaces we know by name.
pub struct Named {
    live: Box<dyn Live>,
    names: BTreeMap<NetNs, String>,
}

impl Named {
    pub fn boxed(live: Box<dyn Live>, names: BTreeMap<NetNs, String>) -> Box<dyn Live> {
        Box::new(Self { live, names })
    }

    fn name(&self, told: &mut [Event]) {
        for event in told {
            if let Event::NamespaceDescribed(described) = event
                && let Some(name) = self.names.get(&described.netns)
            {
                described.name.get_or_insert_with(|| name.clone());
            }
        }
    }
}

impl Live for Named {
    fn start(&mut self, out: &mut Vec<Event>) -> anyhow::Result<()> {
        let from = out.len();
        self.live.start(out)?;
        self.name(&mut out[from..]);
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        self.live.drain(out);
        self.name(&mut out[from..]);
    }

    fn slow(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        self.live.slow(out);
        self.name(&mut out[from..]);
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        self.live.finish(out);
        self.name(&mut out[from..]);
    }

    fn urgent(&self) -> Option<OwnedFd> {
        self.live.urgent()
    }

    fn now(&self) -> Time {
        self.live.now()
    }
}
