//! A recording cut off at any event: what was told by then is what the whole told first, and the end of a stream
//! makes nobody claim more.

use tcpwatch::event::Event;

use super::Tried;
use crate::Outcome;
use crate::replay::judge_in_two;

pub(super) fn anywhere_leaves_a_prefix(tried: &Tried) -> Outcome {
    let cuts = (1..tried.events().len()).filter(|at| is_worth_a_cut(&tried.events()[at - 1]));
    for cut in thinned(cuts.collect()) {
        let (so_far, judged) = judge_in_two(tried.events()[..cut].iter().cloned());
        let how = format!("cut off after {cut} events");
        if !tried.whole.told.starts_with(&so_far) {
            return Err(format!("{how}: told so far\n  {}", so_far.join("\n  ")).into());
        }
        tried.claims_no_more(&judged, &how)?;
    }
    Ok(())
}

/// Between two ticks without any event in between nothing changes.
fn is_worth_a_cut(event: &Event) -> bool {
    !matches!(event, Event::Tick { .. } | Event::CountersRead(_))
}

/// Not more than can be tried.
fn thinned(cuts: Vec<usize>) -> Vec<usize> {
    let step = cuts.len().div_ceil(AT_MOST).max(1);
    cuts.into_iter().step_by(step).collect()
}

const AT_MOST: usize = 60;
