//! What is said of an incident, byte by byte.

use std::fs;

use crate::Outcome;
use crate::diff::expect;
use crate::incident::{Incident, Recorded};
use crate::replay::say;
use crate::schema::Schema;

pub(crate) fn is_said_again(incident: &Incident) -> Outcome {
    let Recorded { events, account } = incident.read()?;
    let said = say([events], account.cpu());
    fits_the_schema("verdict", &said.json)?;
    expect(&incident.folder.join("verdicts.txt"), &said.text)?;
    expect(&incident.folder.join("verdicts.jsonl"), &said.json)
}

pub(crate) fn is_recorded_as_described(incident: &Incident) -> Outcome {
    fits_the_schema("recording", &fs::read_to_string(incident.recording())?)
}

fn fits_the_schema(name: &str, json: &str) -> Outcome {
    let schema = Schema::published(name);
    for line in json.lines() {
        let value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let complaints = schema.complaints(&value);
        if !complaints.is_empty() {
            return Err(format!("{}\n{value:#}", complaints.join("\n")).into());
        }
    }
    Ok(())
}
