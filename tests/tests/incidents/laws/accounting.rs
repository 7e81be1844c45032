//! Explained + unexplained + lost == resets seen, and what was seen leaving a namespace is what the kernel counted.

use tcpwatch::event::Event;

use super::loss::{without_all, without_each};
use super::{Tried, is_reset};
use crate::Outcome;
use crate::random::Random;
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
    (0..DRAWS).try_for_each(|nth| {
        let lost = half_of_the_resets(tried.events(), &mut random);
        let each = judge(without_each(tried.events(), &lost));
        adds_up(tried, &each, &format!("each of {lost:?} lost, draw {nth}"))?;
        let all = judge(without_all(tried.events(), &lost));
        adds_up(tried, &all, &format!("all of {lost:?} lost at once, draw {nth}"))
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

/// By chance; their places.
fn half_of_the_resets(events: &[Event], random: &mut Random) -> Vec<usize> {
    let resets = (0..events.len()).filter(|place| is_reset(&events[*place]));
    resets.filter(|_| random.below(2) == 0).collect()
}

fn count(events: &[Event], is_meant: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| is_meant(event)).count() as u64
}

const DRAWS: u32 = 4;
