//! Honesty under loss: whatever is replaced by the word that it was lost, a verdict may weaken and never turn into
//! another firm cause.

use std::collections::BTreeMap;
use std::time::Duration;

use tcpwatch::event::{Event, EventsLost, Fact, LossStage, Time};

use super::{Tried, losable};
use crate::Outcome;
use crate::random::Random;
use crate::replay::judge;

pub(super) fn never_makes_another_cause(tried: &Tried) -> Outcome {
    let places: Vec<_> = (0..tried.events().len())
        .filter(|place| losable(&tried.events()[*place]).is_some())
        .collect();
    if places.is_empty() {
        return Ok(());
    }
    let mut random = tried.random("loss");
    let single = places.iter().map(|place| vec![*place]);
    for lost in single.chain(some(pairs(&places), &mut random)) {
        let torn = without_each(tried.events(), &lost);
        tried.claims_no_more(&judge(torn), &format!("each lost, by its place: {lost:?}"))?;
    }
    let spans = some(spans(&places), &mut random);
    for lost in spans.into_iter().chain((0..HANDFULS).filter_map(|_| handful(&places, &mut random)))
    {
        let torn = without_all(tried.events(), &lost);
        tried.claims_no_more(&judge(torn), &format!("all lost at once, by place: {lost:?}"))?;
    }
    Ok(())
}

fn pairs(places: &[usize]) -> Vec<Vec<usize>> {
    let all =
        (0..places.len()).flat_map(|one| (one + 1..places.len()).map(move |other| (one, other)));
    all.map(|(one, other)| vec![places[one], places[other]]).collect()
}

/// Of those that follow each other.
fn spans(places: &[usize]) -> Vec<Vec<usize>> {
    let all = (0..places.len()).flat_map(|one| (one + 2..=places.len()).map(move |end| one..end));
    all.map(|span| places[span].to_vec()).collect()
}

/// Here and there one.
fn handful(places: &[usize], random: &mut Random) -> Option<Vec<usize>> {
    let odds = 2 + random.below(6);
    let some: Vec<_> = places.iter().copied().filter(|_| random.below(odds) == 0).collect();
    Some(some).filter(|some| !some.is_empty())
}

/// All of them, or as many as can be tried.
fn some(mut all: Vec<Vec<usize>>, random: &mut Random) -> Vec<Vec<usize>> {
    while all.len() > DRAWS {
        all.swap_remove(random.place(all.len()));
    }
    all
}

/// Each of them lost on its own.
pub(super) fn without_each(events: &[Event], lost: &[usize]) -> Vec<Event> {
    let mut torn = events.to_vec();
    for place in lost {
        let event = &events[*place];
        let fact = losable(event).expect("it was chosen so");
        torn[*place] = loss(fact, event.time().minus(Duration::from_millis(1)), event.time(), 1);
    }
    torn
}

/// All of them lost at once, as when a ring was full for a while: one word for each fact.
pub(super) fn without_all(events: &[Event], lost: &[usize]) -> Vec<Event> {
    let mut spans: BTreeMap<Fact, (Time, Time, u64)> = BTreeMap::new();
    for event in lost.iter().map(|place| &events[*place]) {
        let fact = losable(event).expect("it was chosen so");
        let (since, until, count) = spans.entry(fact).or_insert((event.time(), event.time(), 0));
        *since = (*since).min(event.time());
        *until = (*until).max(event.time());
        *count += 1;
    }
    let losses =
        spans.into_iter().map(|(fact, (since, until, count))| loss(fact, since, until, count));
    let end = lost.last().map_or(0, |last| last + 1);
    let (before, after) = events.split_at(end);
    let kept = |(place, event): (usize, &Event)| (!lost.contains(&place)).then(|| event.clone());
    let before = before.iter().enumerate().filter_map(kept);
    before.chain(losses).chain(after.iter().cloned()).collect()
}

fn loss(fact: Fact, since: Time, until: Time, count: u64) -> Event {
    Event::EventsLost(EventsLost { since, until, fact, count, stage: LossStage::Ring })
}

/// Pairs and spans tried.
const DRAWS: usize = 300;

/// Losses without order tried.
const HANDFULS: u32 = 100;
