//! A description that cannot be read leaves no word that it was lost. Verdicts may weaken all the same, and never turn
//! into another firm cause.

use tcpwatch::event::Event;

use super::{Tried, losable};
use crate::Outcome;
use crate::replay::judge;

pub(super) fn a_description_never_makes_another_cause(tried: &Tried) -> Outcome {
    // The first of all events begins the stream, and is read or there is no stream.
    (1..tried.events().len()).filter(|at| is_description(&tried.events()[*at])).try_for_each(|at| {
        let mut torn = tried.events().to_vec();
        let missing = torn.remove(at);
        tried.claims_no_more(&judge(torn), &format!("without the description {missing:?}"))
    })
}

fn is_description(event: &Event) -> bool {
    losable(event).is_none() && !matches!(event, Event::Tick { .. })
}
