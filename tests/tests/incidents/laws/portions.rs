//! However the events are cut into portions, the bytes are the same.

use tcpwatch::event::Event;

use super::Tried;
use crate::Outcome;
use crate::random::Random;
use crate::replay::say;

pub(super) fn do_not_matter(tried: &Tried) -> Outcome {
    let events = tried.events();
    let whole = say([events.to_vec()], None);
    let mut random = tried.random("portions");
    let ways = [one_by_one(events), by_chance(events, &mut random), by_chance(events, &mut random)];
    for portions in ways {
        let count = portions.len();
        let said = say(portions, None);
        if (said.text != whole.text) || (said.json != whole.json) {
            let diff = similar::TextDiff::from_lines(&whole.text, &said.text);
            return Err(format!("in {count} portions:\n{}", diff.unified_diff()).into());
        }
    }
    Ok(())
}

fn one_by_one(events: &[Event]) -> Vec<Vec<Event>> {
    events.iter().map(|event| vec![event.clone()]).collect()
}

fn by_chance(events: &[Event], random: &mut Random) -> Vec<Vec<Event>> {
    let mut portions = vec![Vec::new()];
    for event in events {
        if random.below(5) == 0 {
            portions.push(Vec::new());
        }
        portions.last_mut().expect("there is one").push(event.clone());
    }
    portions
}
