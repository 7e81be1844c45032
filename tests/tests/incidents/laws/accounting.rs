//! Explained + unexplained + lost == resets seen, and what was seen leaving a namespace is what the kernel counted.

use tcpwatch::event::{Event, EventsLost, LossStage};

use super::{Tried, is_reset, losable};
use crate::Outcome;
use crate::replay::{Judged, judge};

pub(super) fn closes(tried: &Tried) -> Outcome {
    let recorded = tried.recorded.account;
    let told = recorded.explained + recorded.unexplained;
    if (tried.whole.judged(), tried.whole.totals.lost) != (told, recorded.lost) {
        let totals = &tried.whole.totals;
        return Err(format!("the run judged {told} and lost {}: {totals:?}", recorded.lost).into());
    }
    meets_the_kernel(tried)?;
    adds_up(tried, &tried.whole, "whole")?;
    let mut random = tried.random("accounting");
    (0..TORN).try_for_each(|nth| {
        let torn = tried.events().iter().map(|event| match lost(event) {
            Some(lost) if random.below(2) == 0 => lost,
            _ => event.clone(),
        });
        let torn: Vec<_> = torn.collect();
        adds_up(tried, &judge(torn), &format!("half of the resets lost, draw {nth}"))
    })
}

/// What a kept scenario did, was seen to the last reset.
fn meets_the_kernel(tried: &Tried) -> Outcome {
    let namespaces = tried.whole.totals.namespaces.iter();
    match namespaces.clone().find(|each| each.difference.is_some_and(|difference| difference != 0))
    {
        Some(open) => Err(format!("the kernel counted otherwise: {open:?}").into()),
        None => Ok(()),
    }
}

fn adds_up(tried: &Tried, judged: &Judged, how: &str) -> Outcome {
    let seen = count(tried.events(), is_reset);
    // Without its packet a reset received may turn out to be none: data after shutdown, answered by us.
    let doubtful =
        count(tried.events(), |e| matches!(e, Event::RstReceived(rst) if rst.ttl.is_none()));
    let accounted = judged.judged() + judged.totals.lost;
    if (seen - doubtful..=seen).contains(&accounted) {
        return Ok(());
    }
    Err(format!("{how}: {seen} resets were seen, {accounted} are accounted for").into())
}

fn lost(event: &Event) -> Option<Event> {
    let (time, fact) = (event.time(), losable(event).filter(|_| is_reset(event))?);
    let stage = LossStage::Ring;
    Some(Event::EventsLost(EventsLost { since: time, until: time, fact, count: 1, stage }))
}

fn count(events: &[Event], is_meant: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| is_meant(event)).count() as u64
}

/// Draws.
const TORN: u32 = 4;
