//! More ticks make verdicts appear earlier and change no word.

use std::time::Duration;

use tcpwatch::event::{Event, Time};

use super::Tried;
use crate::Outcome;
use crate::random::Random;
use crate::replay::judge;

pub(super) fn change_nothing(tried: &Tried) -> Outcome {
    let mut random = tried.random("ticks");
    (0..DRAWS).try_for_each(|nth| {
        let judged = judge(ticked(tried.events(), &mut random));
        tried.says_the_same(&judged, &format!("with more ticks, draw {nth}"))
    })
}

/// Before some events a tick, of a time that makes no event late that comes after it.
fn ticked(events: &[Event], random: &mut Random) -> Vec<Event> {
    let mut ticked = Vec::new();
    let mut now = Time::default();
    for (event, latest) in events.iter().zip(latest_ticks(events)) {
        if latest > now && random.below(3) == 0 {
            now = now.max(between(now, latest, random));
            ticked.push(Event::Tick { time: now });
        }
        if let Event::Tick { time } = event {
            now = now.max(*time);
        }
        ticked.push(event.clone());
    }
    ticked
}

/// At each place the latest time a tick may have there: before the next tick, and no later than the slack after any
/// event to come. An event that is late already allows no new tick before it.
fn latest_ticks(events: &[Event]) -> Vec<Time> {
    let mut latest = Time(u64::MAX);
    let mut all: Vec<_> = events
        .iter()
        .rev()
        .map(|event| {
            latest = latest.min(match event {
                Event::Tick { time } => *time,
                other => other.time().plus(SLACK),
            });
            latest
        })
        .collect();
    all.reverse();
    all
}

fn between(from: Time, to: Time, random: &mut Random) -> Time {
    let span = to.since(from).min(Duration::from_secs(1));
    let span = u64::try_from(span.as_nanos()).expect("a second is few nanoseconds");
    from.plus(Duration::from_nanos(random.below(span + 1)))
}

/// Of the session's timeline.
const SLACK: Duration = Duration::from_millis(20);

/// Draws.
const DRAWS: u32 = 6;
