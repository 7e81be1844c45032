//! The last minute of a run in bounded memory, ready to be written.
//!
//! Events wait as finished frames, as they would be on disk: six times smaller than as values. What makes later frames
//! understandable is kept beside each, and goes into the context when its frame is forgotten.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::context::Context;
use super::frame::{Frame, Gathering};
use crate::event::{Event, Time};

/// Frames of the last `span`.
pub(super) struct Ring {
    span: Duration,
    frames: VecDeque<Remembered>,
    gathering: Gathering,
    /// Of the events being gathered.
    descriptions: Vec<Event>,
    since: Option<Time>,
    /// Bytes of all frames.
    size: usize,
    /// What the forgotten events have told.
    context: Context,
    /// Events forgotten, and events written out, so far.
    gone: u64,
}

/// One frame, with what it tells about the host.
struct Remembered {
    frame: Frame,
    since: Time,
    descriptions: Vec<Event>,
}

/// What the ring holds, ready to be written.
pub(super) struct Contents {
    /// Time of the oldest event.
    pub(super) since: Option<Time>,
    /// What came before has told this.
    pub(super) context: Vec<Event>,
    pub(super) frames: Vec<Frame>,
    /// Events of the run before the oldest.
    pub(super) events_before: u64,
}

impl Ring {
    pub(super) fn new(span: Duration) -> io::Result<Self> {
        Ok(Self {
            span,
            frames: VecDeque::new(),
            gathering: Gathering::new(true)?,
            descriptions: Vec::new(),
            since: None,
            size: 0,
            context: Context::default(),
            gone: 0,
        })
    }

    pub(super) fn remember(&mut self, now: Time, event: &Event) -> io::Result<()> {
        self.since.get_or_insert(now);
        if Context::cares_for(event) {
            self.descriptions.push(event.clone());
        }
        self.gathering.add(now, event);
        if self.gathering.is_due(now) {
            self.finish_frame()?;
        }
        self.forget_old(now);
        Ok(())
    }

    /// Gives everything away: the ring is empty after, and knows what it has given.
    pub(super) fn take(&mut self, now: Time) -> io::Result<Contents> {
        self.finish_frame()?;
        let since = self.frames.front().map(|remembered| remembered.since);
        let context = self.context.retold(since.unwrap_or(now));
        let events_before = self.gone;
        let frames = std::iter::from_fn(|| self.forget_first()).collect();
        Ok(Contents { since, context, frames, events_before })
    }

    /// Events that were written without passing through the ring.
    pub(super) fn passed_by(&mut self, event: &Event) {
        self.context.observe(event);
        self.gone += 1;
    }

    /// Of what it has forgotten or given away.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    fn finish_frame(&mut self) -> io::Result<()> {
        let Some(since) = self.since.take() else { return Ok(()) };
        let frame = self.gathering.finish()?;
        self.size += frame.bytes.len();
        let descriptions = std::mem::take(&mut self.descriptions);
        self.frames.push_back(Remembered { frame, since, descriptions });
        Ok(())
    }

    /// A frame goes when the one after it is old enough to begin the span, or when memory ends.
    fn forget_old(&mut self, now: Time) {
        while self.size > MEMORY || self.first_is_old(now) {
            if self.forget_first().is_none() {
                return;
            }
        }
    }

    fn first_is_old(&self, now: Time) -> bool {
        self.frames.get(1).is_some_and(|second| now.since(second.since) >= self.span)
    }

    fn forget_first(&mut self) -> Option<Frame> {
        let Remembered { frame, descriptions, .. } = self.frames.pop_front()?;
        for event in &descriptions {
            self.context.observe(event);
        }
        self.size -= frame.bytes.len();
        self.gone += frame.events;
        Some(frame)
    }
}

/// Bytes of frames kept at most: about a million events.
const MEMORY: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples::{coverage, described, tick};

    fn second(second: u64) -> Time {
        Time(second * 1_000_000_000)
    }

    fn told_each_second(ring: &mut Ring, seconds: std::ops::Range<u64>) {
        for at in seconds {
            ring.remember(second(at), &tick(second(at))).unwrap();
            ring.remember(second(at + 1), &tick(second(at + 1))).unwrap();
        }
    }

    fn events(contents: &Contents) -> u64 {
        contents.frames.iter().map(|frame| frame.events).sum()
    }

    #[test]
    fn the_span_is_remembered_and_the_rest_counted() {
        let mut ring = Ring::new(Duration::from_secs(10)).unwrap();
        told_each_second(&mut ring, 0..100);
        let contents = ring.take(second(100)).unwrap();
        let since = contents.since.unwrap();
        assert!(second(88) <= since && since <= second(90), "{since}");
        assert_eq!(contents.events_before + events(&contents), 200);
    }

    #[test]
    fn what_was_described_long_ago_is_told_again() {
        let mut ring = Ring::new(Duration::from_secs(10)).unwrap();
        ring.remember(second(0), &coverage(second(0))).unwrap();
        ring.remember(second(0), &described(second(0), 7)).unwrap();
        told_each_second(&mut ring, 0..100);
        let contents = ring.take(second(100)).unwrap();
        let since = contents.since.unwrap();
        assert_eq!(contents.context, [coverage(since), described(since, 7)]);
    }

    #[test]
    fn what_is_still_remembered_is_not_told_twice() {
        let mut ring = Ring::new(Duration::from_secs(10)).unwrap();
        ring.remember(second(0), &coverage(second(0))).unwrap();
        assert_eq!(ring.take(second(1)).unwrap().context, []);
        let mut after = ring.take(second(2)).unwrap();
        assert_eq!((after.since, after.events_before), (None, 1));
        assert_eq!(after.context.pop(), Some(coverage(second(2))));
    }

    #[test]
    fn an_event_that_was_written_directly_is_known() {
        let mut ring = Ring::new(Duration::from_secs(10)).unwrap();
        ring.passed_by(&described(second(1), 7));
        let contents = ring.take(second(5)).unwrap();
        assert_eq!(contents.context, [described(second(5), 7)]);
        assert_eq!(contents.events_before, 1);
    }
}
