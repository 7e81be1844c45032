//! In which order did things happen? Puts events from many processors and sources back in order of their own time.
//!
//! An event waits until a tick tells that `slack` of time has passed, then leaves in order. Only ticks tell: their
//! time is read before the sources are drained, whereas what a source stamps itself (a description, a look-up) may be
//! newer than events still in a ring. A fact that comes after its time
//! has been dealt with becomes [`EventsLost`]: the engine is told, and nothing is reordered behind its back.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::event::{Event, EventsLost, LossStage, Time};

/// Events on their way into order.
pub struct Timeline {
    slack: Duration,
    waiting: BinaryHeap<Waiting>,
    arrivals: u64,
    /// The latest tick.
    newest: Time,
    /// Everything up to here has left.
    released: Time,
}

impl Timeline {
    /// `slack` must be at least the interval at which the slowest source is drained.
    pub fn new(slack: Duration) -> Self {
        Self {
            slack,
            waiting: BinaryHeap::new(),
            arrivals: 0,
            newest: Time::default(),
            released: Time::default(),
        }
    }

    pub fn push(&mut self, event: Event) {
        let event = if event.time() < self.released { self.too_late(event) } else { event };
        let time = event.time().max(self.released);
        if let Event::Tick { time } = event {
            self.newest = self.newest.max(time);
        }
        self.arrivals += 1;
        self.waiting.push(Waiting { time, arrival: self.arrivals, event });
    }

    /// Events wait for their turn; ticks alone need no other tick.
    pub fn holds_events(&self) -> bool {
        self.waiting.iter().any(|waiting| !matches!(waiting.event, Event::Tick { .. }))
    }

    /// The next event whose turn has come.
    pub fn next_ready(&mut self) -> Option<Event> {
        let turn = self.newest.minus(self.slack);
        if self.waiting.peek()?.time > turn {
            return None;
        }
        self.pop()
    }

    /// The next event, whether or not its turn has come: for the end of a stream.
    pub fn next_remaining(&mut self) -> Option<Event> {
        self.pop()
    }

    fn pop(&mut self) -> Option<Event> {
        let next = self.waiting.pop()?;
        self.released = self.released.max(next.time);
        Some(next.event)
    }

    /// Descriptions are welcome at any time; a fact out of its time would be judged by the wrong memory.
    fn too_late(&self, event: Event) -> Event {
        match event.fact() {
            Some(fact) => Event::EventsLost(EventsLost {
                since: event.time(),
                until: self.released,
                fact,
                count: 1,
                stage: LossStage::Late,
            }),
            None => event,
        }
    }
}

struct Waiting {
    time: Time,
    arrival: u64,
    event: Event,
}

impl Ord for Waiting {
    /// Reversed: the heap's greatest is the earliest event; of equal times the first to arrive.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.arrival).cmp(&(self.time, self.arrival))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fact;
    use crate::explain::story::Story;

    fn tick(ms: u64) -> Event {
        Event::Tick { time: Time(ms * 1_000_000) }
    }

    fn late_listener() -> Event {
        let mut events = Story::new().after(50).opens("0.0.0.0:80").events();
        events.pop().expect("a story has events")
    }

    fn ready(timeline: &mut Timeline) -> Vec<u64> {
        std::iter::from_fn(|| timeline.next_ready()).map(|e| e.time().0 / 1_000_000).collect()
    }

    #[test]
    fn events_leave_in_order_of_their_own_time() {
        let mut timeline = Timeline::new(Duration::from_millis(10));
        for ms in [30, 10, 20, 45] {
            timeline.push(tick(ms));
        }
        assert_eq!(ready(&mut timeline), [10, 20, 30]);
        timeline.push(tick(60));
        assert_eq!(ready(&mut timeline), [45]);
    }

    #[test]
    fn a_fact_that_comes_too_late_is_counted_as_lost() {
        let mut timeline = Timeline::new(Duration::from_millis(10));
        timeline.push(tick(2000));
        timeline.push(tick(2020));
        assert_eq!(ready(&mut timeline), [2000]);
        timeline.push(late_listener());
        let Some(Event::EventsLost(lost)) = timeline.next_ready() else { panic!("not lost") };
        assert_eq!((lost.fact, lost.count, lost.stage), (Fact::Listeners, 1, LossStage::Late));
    }

    #[test]
    fn ticks_alone_wait_for_nothing() {
        let mut timeline = Timeline::new(Duration::from_millis(10));
        timeline.push(tick(5));
        assert!(!timeline.holds_events());
        timeline.push(late_listener());
        assert!(timeline.holds_events());
    }

    #[test]
    fn the_end_of_a_stream_keeps_the_order() {
        let mut timeline = Timeline::new(Duration::from_secs(1));
        for ms in [3, 1, 2] {
            timeline.push(tick(ms));
        }
        assert_eq!(ready(&mut timeline), [0; 0]);
        let rest: Vec<_> =
            std::iter::from_fn(|| timeline.next_remaining()).map(|e| e.time()).collect();
        assert_eq!(rest, [Time(1_000_000), Time(2_000_000), Time(3_000_000)]);
    }
}
