//! The recordings of several hosts, each read in its own order, told together by wall clock.

use std::path::PathBuf;
use std::rc::Rc;

use super::inputs::{Inputs, boot};
use super::lane::{Lane, Said};
use super::line::Account;
use crate::event::{Event, HostDescribed, HostId};

/// What recordings have to tell, one thing at a time.
pub struct Stream {
    lanes: Vec<Running>,
    /// So many hosts were known from the beginning, each with a lane.
    hosts: usize,
    /// Hosts that turned up in the files of others: the lane, and the boot.
    strangers: Vec<(usize, String)>,
    failures: std::vec::IntoIter<String>,
    failed: u64,
}

/// A lane on its way.
struct Running {
    lane: Lane,
    /// Of whom it tells at the moment.
    telling: HostId,
    at_end: bool,
}

/// One thing a recording tells.
#[derive(Debug)]
pub enum Told {
    Event(HostId, Event),
    /// Nothing more comes of this host.
    Ended(HostId),
    /// About a recording itself: one sentence for a person.
    Note(String),
}

/// From when to when recordings reach, by the wall clocks of their hosts, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: i128,
    /// `None`: one of them can be read only once, and has not been.
    pub last: Option<i128>,
}

impl Stream {
    /// Files, directories of them, and `-` for stdin.
    pub fn open(inputs: &[PathBuf]) -> Self {
        let mut inputs = Inputs::look_at(inputs);
        let failures = std::mem::take(&mut inputs.failures);
        let failed = u64::try_from(failures.len()).unwrap_or(u64::MAX);
        let read = Rc::default();
        let lanes = inputs.by_host().into_iter().map(|host| Lane::new(host, Rc::clone(&read)));
        let running = |(index, lane)| Running { lane, telling: HostId(index), at_end: false };
        let lanes: Vec<_> = lanes.enumerate().map(running).collect();
        let hosts = lanes.len();
        Self { lanes, hosts, strangers: Vec::new(), failures: failures.into_iter(), failed }
    }

    /// How many hosts there are recordings of.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// When the first recording begins, in nanoseconds since 1970.
    pub fn began(&self) -> i128 {
        self.lanes.iter().map(|running| running.lane.wall()).min().unwrap_or_default()
    }

    /// Reads what has to be read for that; to be called before anything is told.
    pub fn extent(&self) -> Extent {
        let first = self.began();
        let last = self
            .lanes
            .iter()
            .map(|running| running.lane.end())
            .try_fold(first, |last, end| Some(last.max(end?)));
        Extent { first, last }
    }

    /// The next thing; `None` when everything has been read.
    pub fn next_told(&mut self) -> Option<Told> {
        if let Some(failure) = self.failures.next() {
            return Some(Told::Note(failure));
        }
        let running = self.lanes.iter().enumerate().filter(|(_, running)| !running.at_end);
        let (index, _) = running.min_by_key(|(_, running)| running.lane.wall())?;
        match self.lanes[index].lane.next_said() {
            Some(Said::Event(Event::HostDescribed(host))) => Some(self.begins(index, host)),
            Some(Said::Event(event)) => Some(Told::Event(self.lanes[index].telling, event)),
            Some(Said::Note(note)) => Some(Told::Note(note)),
            None => {
                self.lanes[index].at_end = true;
                Some(Told::Ended(self.lanes[index].telling))
            }
        }
    }

    /// The sum of what the runs said of themselves; `None` unless all of them ended with an account.
    pub fn account(&self) -> Option<Account> {
        let accounts = self.lanes.iter().map(|running| &running.lane.accounts);
        let ended = accounts.clone().all(|accounts| accounts.unended == 0);
        let told = accounts.flat_map(|accounts| accounts.told.iter().copied());
        told.reduce(Account::plus).filter(|_| ended)
    }

    /// How many inputs could not be read as far as they go.
    pub fn failed(&self) -> u64 {
        self.failed + self.lanes.iter().map(|running| running.lane.failed).sum::<u64>()
    }

    fn begins(&mut self, index: usize, host: HostDescribed) -> Told {
        let of_this_lane = self.lanes[index].lane.is_of(&host);
        let id = if of_this_lane { HostId(index) } else { self.stranger(index, boot(&host)) };
        self.lanes[index].telling = id;
        Told::Event(id, Event::HostDescribed(host))
    }

    fn stranger(&mut self, lane: usize, boot: &str) -> HostId {
        let known = self.strangers.iter().position(|(of, known)| *of == lane && known == boot);
        let place = known.unwrap_or_else(|| {
            self.strangers.push((lane, boot.to_owned()));
            self.strangers.len() - 1
        });
        HostId(self.hosts + place)
    }
}
