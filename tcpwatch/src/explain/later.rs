//! What can only be known afterwards: explanations that amend a verdict.

use super::cause::NotYetListening;
use super::verdict::{Certainty, Explanation};
use crate::event::{Endpoint, Owner, Time};

/// A port that opened.
pub struct Opening<'a> {
    pub at: Time,
    pub listener: Endpoint,
    pub owner: Option<&'a Owner>,
}

/// The port that was dialled in vain at `refused_at` has opened; `refusals` connections were refused on it.
pub fn opened_later(
    dialled: Endpoint,
    refused_at: Time,
    refusals: u64,
    opening: &Opening<'_>,
) -> Explanation {
    let cause = NotYetListening {
        dialled,
        listener: opening.listener,
        opened_after_s: opening.at.since(refused_at).as_secs_f64(),
        refusals,
        opened_at: opening.at,
    };
    Explanation { certainty: Certainty::Observed, cause: cause.into() }
}
