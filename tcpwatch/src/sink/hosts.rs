//! What a text format remembers of each host: its clock, what is counted, what was lost.

use super::fold::Folds;
use super::losses::Losses;
use super::{Clean, Clock};
use crate::event::HostDescribed;

/// Hosts in the order they were met. One speaks at a time.
pub(super) struct Hosts {
    clock: Clock,
    known: Vec<Known>,
    speaker: usize,
}

/// One host between two boots: after that its clock begins anew.
pub(super) struct Known {
    hostname: String,
    boot_id: String,
    /// Its name and a space, where there are several hosts.
    pub(super) label: String,
    pub(super) clock: Clock,
    pub(super) folds: Folds,
    pub(super) losses: Losses,
}

impl Hosts {
    pub(super) fn new(clock: Clock) -> Self {
        let nobody = Known::new("", "", clock.clone());
        Self { clock, known: vec![nobody], speaker: 0 }
    }

    /// What follows is of this host.
    pub(super) fn started(&mut self, host: &HostDescribed) {
        let (hostname, boot_id) = (&host.hostname, &host.boot_id);
        let same = |known: &Known| known.hostname == *hostname && known.boot_id == *boot_id;
        self.speaker = self.known.iter().position(same).unwrap_or_else(|| {
            self.known.push(Known::new(hostname, boot_id, self.clock.clone()));
            self.known.len() - 1
        });
        self.speaker().clock.set(host);
    }

    /// The same, where there are several: from now on it is called by its name.
    pub(super) fn one_of_several(&mut self, host: &HostDescribed) {
        self.started(host);
        self.speaker().label = format!("{} ", Clean(&host.hostname));
    }

    pub(super) fn speaker(&mut self) -> &mut Known {
        &mut self.known[self.speaker]
    }

    /// ` on NAME`, where there are several hosts.
    pub(super) fn on_host(&self) -> String {
        match self.known[self.speaker].label.trim_end() {
            "" => String::new(),
            name => format!(" on {name}"),
        }
    }

    /// All of them, for the end.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Known> {
        self.known.iter_mut()
    }
}

impl Known {
    fn new(hostname: &str, boot_id: &str, clock: Clock) -> Self {
        let (folds, losses) = (Folds::default(), Losses::default());
        let (hostname, boot_id, label) = (hostname.into(), boot_id.into(), String::new());
        Self { hostname, boot_id, label, clock, folds, losses }
    }
}
