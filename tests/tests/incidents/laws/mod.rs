//! The laws of the design, tried on an incident. Chance is seeded by the name of the incident: what fails once fails
//! again.

mod accounting;
mod cut;
mod loss;
mod missing;
mod order;
mod portions;
mod rotation;
mod ticks;

use tcpwatch::event::{Event, Fact};

use crate::Outcome;
use crate::incident::{Incident, Recorded};
use crate::random::Random;
use crate::replay::{Judged, judge};

/// An incident with what was concluded of it.
struct Tried {
    name: String,
    recorded: Recorded,
    whole: Judged,
}

pub(crate) fn hold(incident: &Incident) -> Outcome {
    let recorded = incident.read()?;
    let whole = judge(recorded.events.iter().cloned());
    let tried = Tried { name: incident.name.clone(), recorded, whole };
    accounting::closes(&tried)?;
    order::within_slack_does_not_matter(&tried)?;
    ticks::change_nothing(&tried)?;
    portions::do_not_matter(&tried)?;
    cut::anywhere_leaves_a_prefix(&tried)?;
    rotation::loses_nothing_and_invents_nothing(&tried)?;
    missing::a_description_never_makes_another_cause(&tried)?;
    loss::never_makes_another_cause(&tried)
}

impl Tried {
    fn events(&self) -> &[Event] {
        &self.recorded.events
    }

    /// Every law has chances of its own.
    fn random(&self, law: &str) -> Random {
        Random::of(&format!("{law} {}", self.name))
    }

    /// The words of `other` are those of the whole. `how` says what was done to the events.
    fn says_the_same(&self, other: &Judged, how: &str) -> Outcome {
        if self.whole.told == other.told && self.whole.totals == other.totals {
            return Ok(());
        }
        let lines = |judged: &Judged| format!("{}\n{:#?}\n", judged.told.join("\n"), judged.totals);
        let (was, is) = (lines(&self.whole), lines(other));
        let diff = similar::TextDiff::from_lines(&was, &is).unified_diff().to_string();
        Err(format!("{how}: other words than before\n{diff}").into())
    }

    /// No firm cause in `other` that the whole does not claim of the same reset, in as many words or in more general ones.
    fn claims_no_more(&self, other: &Judged, how: &str) -> Outcome {
        self.claims_no_more_than(other, how, |_, _| false)
    }

    /// The same, but what the whole claims (first) may also be said in a weaker way (second).
    fn claims_no_more_than(
        &self,
        other: &Judged,
        how: &str,
        is_weaker: impl Fn(&str, &str) -> bool,
    ) -> Outcome {
        let (firm, all) = (self.whole.firm(), self.whole.causes());
        for (reset, cause) in other.firm() {
            let was = firm.get(&reset).copied().unwrap_or("no firm cause");
            let is_general = all.get(&reset).is_some_and(|was| GENERAL.contains(&(*was, cause)));
            if was != cause && !is_general && !is_weaker(was, cause) {
                return Err(format!("{how}: {reset}: {cause} is claimed; it was {was}").into());
            }
        }
        Ok(())
    }
}

/// Where the first is true, so is the second, which says less: what is known of the time before or of others is missing.
const GENERAL: &[(&str, &str)] = &[
    ("keep-alive-race", "peer-wrote-after-close"),
    ("keep-alive-race", "wrote-after-peer-close"),
    ("probe", "peer-reset"),
    ("scan", "no-listener"),
];

/// It is judged.
fn is_reset(event: &Event) -> bool {
    let of_tcp =
        matches!(event, Event::RstSent(_) | Event::RstReceived(_) | Event::ConnectionAborted(_));
    of_tcp || matches!(event, Event::PacketRejected(_))
}

/// The fact of which one is lost when this event is. What no hook and no line of a recording can lose has none.
fn losable(event: &Event) -> Option<Fact> {
    match event {
        Event::ListenerFound(_) => Some(Fact::Listeners),
        _ => event.fact(),
    }
}
