//! One host: its events in order, its memory, its conclusions. Nothing of another host comes in here.

use std::sync::Arc;
use std::time::Duration;

use super::overlap::Overlap;
use crate::engine::Engine;
use crate::event::{Event, HostDescribed, Time};
use crate::explain::verdict::{Conclusion, Totals};
use crate::timeline::Timeline;

/// Everything that is known of one host. It may hold several streams: recordings of one run after another.
pub(super) struct Brain {
    pub(super) host: Option<Arc<HostDescribed>>,
    timeline: Timeline,
    engine: Engine,
    overlap: Overlap,
    /// The account of the streams that came before the present one.
    before: Totals,
    /// Latest time told to the sinks.
    until: Time,
}

impl Brain {
    pub(super) fn new() -> Self {
        Self {
            host: None,
            timeline: Timeline::new(SLACK),
            engine: Engine::new(),
            overlap: Overlap::default(),
            before: Totals::default(),
            until: Time::default(),
        }
    }

    /// A host is described first of all: what came before was another stream, with another clock. It has been ended.
    pub(super) fn begin_stream(&mut self, host: &HostDescribed, verdicts: u64) {
        let totals = self.stream_totals();
        self.before.add(totals);
        self.overlap.begin(host);
        self.host = Some(Arc::new(host.clone()));
        self.engine = Engine::after(verdicts);
        self.timeline = Timeline::new(SLACK);
        self.until = Time::default();
    }

    pub(super) fn push(&mut self, event: Event) {
        self.timeline.push(event);
    }

    /// The next event whose turn has come.
    pub(super) fn next_ready(&mut self) -> Option<Event> {
        self.timeline.next_ready()
    }

    /// The next event, whether or not its turn has come: for the end of a stream.
    pub(super) fn next_remaining(&mut self) -> Option<Event> {
        self.timeline.next_remaining()
    }

    /// What follows from an event, unless another recording has told it.
    pub(super) fn observe(&mut self, event: &Event) -> Vec<Conclusion> {
        self.overlap.come_to(event, &self.engine);
        let conclusions = self.engine.observe(event);
        self.overlap.sift(conclusions)
    }

    /// Another recording has told what was lost at that time.
    pub(super) fn repeats(&self, event: &Event) -> bool {
        self.overlap.repeats(event.time())
    }

    /// Event time has come this far; `None` if it was there before.
    pub(super) fn passed(&mut self, event: &Event) -> Option<Time> {
        let passed = event.time() > self.until;
        passed.then(|| {
            self.until = event.time();
            self.until
        })
    }

    /// Closes what is open.
    pub(super) fn finish(&mut self) -> Vec<Conclusion> {
        let conclusions = self.engine.finish();
        self.overlap.sift(conclusions)
    }

    /// Something waits for time to pass: ticks are wanted.
    pub(super) fn pending(&self) -> bool {
        self.timeline.holds_events() || self.engine.pending()
    }

    pub(super) fn totals(mut self) -> Totals {
        let totals = self.stream_totals();
        self.before.add(totals);
        self.before
    }

    fn stream_totals(&self) -> Totals {
        self.overlap.without_repeats(self.engine.totals())
    }
}

/// Twice the interval at which a running kernel is drained, so that a late wake-up does not cost an event. A
/// recording is replayed with the same: the same order, the same losses.
const SLACK: Duration = Duration::from_millis(20);
