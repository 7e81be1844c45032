//! Which conntrack entries died while their connection was alive?

use super::bounded::History;
use crate::event::{ConntrackDestroyed, Endpoint};

/// Deaths by the client's endpoint, before and after source translation. Kept by number, not by age: an entry
/// may have died hours before its connection speaks again.
pub struct ConntrackDeaths {
    by_client: History<Endpoint, ConntrackDestroyed>,
}

impl Default for ConntrackDeaths {
    fn default() -> Self {
        Self { by_client: History::with_capacity(65_536) }
    }
}

impl ConntrackDeaths {
    pub fn died(&mut self, death: &ConntrackDestroyed) {
        let client = death.entry.original.source;
        let translated = death.entry.reply.destination;
        self.by_client.push(death.time, client, death.clone());
        if translated != client {
            self.by_client.push(death.time, translated, death.clone());
        }
    }

    /// Deaths of entries whose client was this endpoint, the latest first.
    pub fn of_client(
        &self,
        client: Endpoint,
    ) -> impl Iterator<Item = &ConntrackDestroyed> + use<'_> {
        self.by_client.of(client).rev()
    }
}
