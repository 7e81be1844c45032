//! Events of many processors come in any order within the slack of the timeline: the words stay the same.

use std::collections::BTreeMap;
use std::time::Duration;

use tcpwatch::event::{Event, Time};

use super::Tried;
use crate::Outcome;
use crate::random::Random;
use crate::replay::judge;

pub(super) fn within_slack_does_not_matter(tried: &Tried) -> Outcome {
    let mut random = tried.random("order");
    (0..SHUFFLES).try_for_each(|nth| {
        let judged = judge(shuffled(tried.events(), &mut random));
        tried.says_the_same(&judged, &format!("shuffled within the slack, draw {nth}"))
    })
}

/// Every event comes up to the slack after it happened; of events at the same time the first stays first. What was
/// late already comes when it came.
fn shuffled(events: &[Event], random: &mut Random) -> Vec<Event> {
    let mut delays: BTreeMap<Time, Duration> = BTreeMap::new();
    let mut newest = Time::default();
    let mut arrivals: Vec<_> = events
        .iter()
        .map(|event| {
            let time = event.time();
            if let Event::Tick { .. } = event {
                newest = newest.max(time);
                // Ticks come after everything that comes at the same time: their time is read before the rings.
                return (time, true, event);
            }
            let is_late = time < newest.minus(SLACK);
            let delay = delays.entry(time).or_insert_with(|| delay(random));
            let arrival =
                if is_late { newest.plus(Duration::from_nanos(1)) } else { time.plus(*delay) };
            (arrival, false, event)
        })
        .collect();
    // Who introduces the stream comes first in any order.
    arrivals[1..].sort_by_key(|(arrival, tick, _)| (*arrival, *tick));
    arrivals.into_iter().map(|(_, _, event)| event.clone()).collect()
}

fn delay(random: &mut Random) -> Duration {
    let slack = u64::try_from(SLACK.as_nanos()).expect("20 ms are few nanoseconds");
    Duration::from_nanos(random.below(slack))
}

/// Of the session's timeline.
const SLACK: Duration = Duration::from_millis(20);

/// Draws.
const SHUFFLES: u32 = 12;
