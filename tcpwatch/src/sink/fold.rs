//! The same reset again and again: shown a few times, then counted.
//!
//! Event time decides what is folded and when the count is shown, so a replay folds as the live run did.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::line::arrow;
use crate::event::{Endpoint, NetNs, Time};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{Amendment, Direction, Finding, Verdict};

/// What makes two lines the same to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Reset {
        netns: NetNs,
        direction: Direction,
        local: End,
        remote: End,
        cause: Option<&'static str>,
        mechanism: Mechanism,
    },
    Amendment {
        cause: &'static str,
    },
}

/// One end of what repeats: the port of a service stays the same, that of its clients changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Service(Endpoint),
    Clients(IpAddr),
}

impl Key {
    /// Nothing says which end is the service, so a reset may repeat in two ways: the local port stays, or the remote.
    /// Where nobody is hurt, the two hosts are enough.
    pub(super) fn of(verdict: &Verdict) -> Vec<Self> {
        let (local, remote) = (verdict.flow.local, verdict.flow.remote);
        let with = |local, remote| Self::Reset {
            netns: verdict.netns,
            direction: verdict.direction,
            local,
            remote,
            cause: code(&verdict.finding),
            mechanism: verdict.mechanism,
        };
        let (here, there) = (End::Clients(local.addr), End::Clients(remote.addr));
        if is_benign(&verdict.finding) {
            return vec![with(here, there)];
        }
        vec![with(End::Service(local), there), with(here, End::Service(remote))]
    }

    pub(super) fn of_amendment(amendment: &Amendment) -> [Self; 1] {
        [Self::Amendment { cause: amendment.explanation.cause.code() }]
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(endpoint) => endpoint.fmt(f),
            Self::Clients(addr) => addr.fmt(f),
        }
    }
}

fn code(finding: &Finding) -> Option<&'static str> {
    match finding {
        Finding::Explained(explanation) => Some(explanation.cause.code()),
        Finding::Unexplained { .. } => None,
    }
}

impl Key {
    /// So many of a kind are shown in one [`WINDOW`]: of what hurts nobody, one.
    fn shown(&self) -> u32 {
        match self {
            Self::Reset { local: End::Clients(_), remote: End::Clients(_), .. } => 1,
            _ => SHOWN,
        }
    }
}

fn is_benign(finding: &Finding) -> bool {
    matches!(finding, Finding::Explained(explanation) if explanation.cause.is_benign())
}

/// Everything that repeats at the moment.
#[derive(Default)]
pub(super) struct Folds {
    runs: HashMap<Key, Run>,
    /// Keys with something to tell, in order of their first hidden line.
    hiding: Vec<Key>,
    due: Option<Time>,
}

struct Run {
    since: Time,
    shown: u32,
    hidden: u64,
    first: u64,
    last: u64,
}

impl Folds {
    /// The id of the one this is counted with, or `None` if it is to be shown. The count comes out of [`Self::due`].
    pub(super) fn counts(&mut self, keys: &[Key], id: u64, time: Time) -> Option<u64> {
        if let Some(like) = keys.iter().find_map(|key| self.hide(*key, id, time)) {
            return Some(like);
        }
        for key in keys {
            if self.runs.len() < MOST || self.runs.contains_key(key) {
                self.runs.entry(*key).or_insert_with(|| Run::new(id, time)).show(id);
            }
        }
        None
    }

    /// Counts it, if enough of its kind were shown lately.
    fn hide(&mut self, key: Key, id: u64, time: Time) -> Option<u64> {
        let run = self.runs.get_mut(&key)?;
        if run.hidden == 0 && time.since(run.since) > WINDOW {
            *run = Run::new(id, time);
        }
        if run.shown < key.shown() {
            return None;
        }
        run.last = id;
        run.hidden += 1;
        if run.hidden == 1 {
            self.hiding.push(key);
            self.due.get_or_insert(time.plus(INTERVAL));
        }
        Some(run.first)
    }

    /// Counts that have waited long enough.
    pub(super) fn due(&mut self, now: Time) -> Vec<Repeats> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let repeats = self.rest();
        self.runs.retain(|_, run| now.since(run.since) <= WINDOW);
        repeats
    }

    /// All counts.
    pub(super) fn rest(&mut self) -> Vec<Repeats> {
        self.due = None;
        self.hiding.drain(..).filter_map(|key| take(&mut self.runs, key)).collect()
    }
}

fn take(runs: &mut HashMap<Key, Run>, key: Key) -> Option<Repeats> {
    let run = runs.get_mut(&key)?;
    let count = std::mem::take(&mut run.hidden);
    Some(Repeats { key, count, first: run.first, last: run.last })
}

impl Run {
    fn new(id: u64, since: Time) -> Self {
        Self { since, shown: 0, hidden: 0, first: id, last: id }
    }

    fn show(&mut self, id: u64) {
        self.shown += 1;
        self.last = id;
    }
}

/// How often something was not shown.
pub(super) struct Repeats {
    key: Key,
    count: u64,
    /// Id of the first that was shown.
    first: u64,
    last: u64,
}

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, first, last) = (self.count, self.first, self.last);
        match &self.key {
            Key::Reset { direction, local, remote, cause, mechanism, .. } => {
                let arrow = arrow(*direction);
                write!(
                    f,
                    "×{count} more like #{first}, to #{last}: {direction} {local} {arrow} {remote} "
                )?;
                match cause {
                    Some(code) => f.write_str(code),
                    None => write!(f, "unexplained ({mechanism})"),
                }
            }
            Key::Amendment { cause } => {
                write!(f, "×{count} more amended like #{first}, to #{last}: {cause}")
            }
        }
    }
}

/// Of what may hurt somebody.
const SHOWN: u32 = 3;
const WINDOW: Duration = Duration::from_mins(1);
/// A count waits this long to grow.
const INTERVAL: Duration = Duration::from_secs(1);
/// Kinds remembered; beyond, every line is shown.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    fn at(ms: u64) -> Time {
        samples::START.plus(Duration::from_millis(ms))
    }

    fn shows(folds: &mut Folds, id: u64, ms: u64) -> bool {
        folds.counts(&Key::of(&samples::explained()), id, at(ms)).is_none()
    }

    fn said(repeats: Vec<Repeats>) -> Vec<String> {
        repeats.into_iter().map(|repeats| repeats.to_string()).collect()
    }

    #[test]
    fn the_fourth_of_a_kind_is_counted() {
        let mut folds = Folds::default();
        let shown: Vec<_> = (1..=5).map(|id| shows(&mut folds, id, id)).collect();
        assert_eq!(shown, [true, true, true, false, false]);
        let expected = "×2 more like #1, to #5: sent 10.0.0.1:80 -> 10.0.0.9 no-listener";
        assert_eq!(said(folds.rest()), [expected]);
        assert_eq!(said(folds.rest()), [""; 0]);
    }

    #[test]
    fn counts_come_once_a_second() {
        let mut folds = Folds::default();
        (1..=4).for_each(|id| _ = shows(&mut folds, id, id));
        assert_eq!(folds.due(at(1_003)).len(), 0);
        assert_eq!(folds.due(at(1_004)).len(), 1);
        assert!(!shows(&mut folds, 5, 2_000), "the same minute goes on");
        assert_eq!(folds.rest().len(), 1);
    }

    #[test]
    fn after_a_minute_it_is_news_again() {
        let mut folds = Folds::default();
        (1..=3).for_each(|id| _ = shows(&mut folds, id, id));
        assert!(shows(&mut folds, 4, 60_002));
    }

    #[test]
    fn another_address_is_another_kind() {
        let mut folds = Folds::default();
        (1..=4).for_each(|id| _ = shows(&mut folds, id, id));
        let key = Key::of(&samples::received());
        assert_eq!(folds.counts(&key, 5, at(5)), None);
    }

    #[test]
    fn received_resets_fold_though_the_local_port_changes() {
        let mut folds = Folds::default();
        let mut like = Vec::new();
        for port in 1..=300 {
            let mut verdict = samples::received();
            verdict.flow.local.port = 40_000 + port;
            like.push(folds.counts(&Key::of(&verdict), port.into(), at(1)));
        }
        assert_eq!(like[..5], [None, None, None, Some(1), Some(1)]);
        let expected = "×297 more like #1, to #300: received 10.0.0.9 <- 10.0.0.1:80 no-listener";
        assert_eq!(said(folds.rest()), [expected]);
    }

    #[test]
    fn received_resets_fold_though_the_remote_port_changes() {
        let mut folds = Folds::default();
        for port in 1..=5 {
            let mut verdict = samples::received();
            verdict.flow = verdict.flow.reversed();
            verdict.flow.remote.port = 40_000 + port;
            folds.counts(&Key::of(&verdict), port.into(), at(1));
        }
        let expected = "×2 more like #1, to #5: received 10.0.0.1:80 <- 10.0.0.9 no-listener";
        assert_eq!(said(folds.rest()), [expected]);
    }

    #[test]
    fn what_hurts_nobody_folds_whatever_the_ports() {
        let mut folds = Folds::default();
        for port in 1..=300 {
            let verdict = samples::scanned(port);
            folds.counts(&Key::of(&verdict), port.into(), at(1));
        }
        let expected = "×299 more like #1, to #300: sent 10.0.0.1 -> 10.0.0.9 scan";
        assert_eq!(said(folds.rest()), [expected]);
    }

    #[test]
    fn too_many_kinds_are_shown_rather_than_forgotten() {
        let mut folds = Folds::default();
        for port in 0..5_000_u16 {
            let mut verdict = samples::explained();
            verdict.flow.local.port = port;
            verdict.flow.remote.port = port;
            assert_eq!(folds.counts(&Key::of(&verdict), u64::from(port), at(1)), None);
        }
        assert_eq!(folds.runs.len(), MOST);
    }
}
