//! Incidents kept from real kernels (`tests/incidents`): what is said of each is compared byte by byte, and the laws
//! of the design are tried on each.
//!
//! `BLESS=1 cargo test -p tcpwatch-tests --test incidents` writes what is said now instead of comparing it.

mod diff;
mod golden;
mod incident;
mod laws;
mod random;
mod replay;
#[path = "../../../tcpwatch/src/sink/schema.rs"]
mod schema;
mod story;

use std::process::ExitCode;

use incident::{Incident, Story};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stories = Story::all();
    let there = Trial::test("incidents_are_there_and_whole", incident::are_there);
    let stories = stories.into_iter().flat_map(|story| {
        let incidents = story.incidents.clone();
        incidents.into_iter().flat_map(trials).chain([about(story)])
    });
    libtest_mimic::run(&arguments, [there].into_iter().chain(stories).collect()).exit_code()
}

fn trials(incident: Incident) -> [Trial; 3] {
    let (schema, golden, laws) = (incident.clone(), incident.clone(), incident);
    [
        Trial::test(format!("schema::{}", schema.name), move || {
            golden::is_recorded_as_described(&schema)
        }),
        Trial::test(format!("golden::{}", golden.name), move || golden::is_said_again(&golden)),
        Trial::test(format!("laws::{}", laws.name), move || laws::hold(&laws)),
    ]
}

fn about(story: Story) -> Trial {
    Trial::test(format!("story::{}", story.name), move || story::is_told(&story))
}

/// What a trial ends with.
type Outcome = Result<(), Failed>;
