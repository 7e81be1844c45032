//! Namespaces that are gone, while resets of theirs still wait for their verdict.
//!
//! A pod's last resets and the end of its namespace are milliseconds apart: what is known of it must outlive it until
//! they are judged. But the kernel gives its inode number to the next one at once (fs/nsfs.c and `proc_alloc_inum`),
//! of which none of that is true.

use crate::event::{Event, NamespaceVanished, NetNs, Time};

/// Namespaces to be forgotten, in the order they went.
#[derive(Default)]
pub(super) struct Leaving(Vec<(Time, NamespaceVanished)>);

impl Leaving {
    /// It may be forgotten after `due`.
    pub(super) fn hold(&mut self, gone: NamespaceVanished, due: Time) {
        if self.0.len() == KEPT {
            self.0[0].0 = Time(0);
        }
        self.0.push((due, gone));
    }

    /// Those to forget before `event` is observed: their time is up, or it is of another one with their number.
    pub(super) fn release(&mut self, event: &Event) -> Vec<NamespaceVanished> {
        let (now, successor) = (event.time(), lives_in(event));
        let over = |(due, gone): &mut (Time, NamespaceVanished)| {
            *due < now || Some(gone.netns) == successor
        };
        self.0.extract_if(.., over).map(|(_, gone)| gone).collect()
    }
}

/// Namespaces that go within a moment; of more, which no host has, the first is forgotten early.
const KEPT: usize = 4_096;

/// The namespace that is alive, or it could not have told this.
fn lives_in(event: &Event) -> Option<NetNs> {
    match event {
        Event::NamespaceDescribed(e) => Some(e.netns),
        Event::CountersRead(e) => Some(e.netns),
        Event::RstSent(e) => Some(e.netns),
        Event::ConnectionAborted(e) => Some(e.netns),
        Event::RstReceived(e) => Some(e.netns),
        Event::AcceptQueueOverflowed(e) => Some(e.netns),
        Event::HandshakeAckRefused(e) => Some(e.netns),
        Event::ListenerFound(e) | Event::ListenerOpened(e) | Event::ListenerClosed(e) => {
            Some(e.netns)
        }
        Event::PacketRejected(e) => Some(e.netns),
        Event::RejectRulesFound(e) => Some(e.netns),
        // Found late, of the dead as well; or of no namespace.
        Event::OwnerFound(_)
        | Event::ConntrackDestroyed(_)
        | Event::ConntrackInvalid(_)
        | Event::NamespaceVanished(_)
        | Event::HostDescribed(_)
        | Event::CoverageDeclared(_)
        | Event::EventsLost(_)
        | Event::Tick { .. } => None,
    }
}
