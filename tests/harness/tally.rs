//! How often each cause was told in all runs so far, and what was missing where none was.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Verdicts by what they say: a cause, or a mechanism with what was missing.
static TALLY: Mutex<BTreeMap<Told, u64>> = Mutex::new(BTreeMap::new());

/// What a verdict says, in few words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Explained by the cause with this code.
    Cause(String),
    /// Sent by this mechanism; this would have explained it.
    Nothing { mechanism: String, missing: String },
}

pub(crate) fn add(line: &Value) {
    if line["type"] == "verdict" {
        *TALLY.lock().unwrap_or_else(PoisonError::into_inner).entry(told(line)).or_default() += 1;
    }
}

/// All verdicts of all runs of this program.
pub fn all() -> BTreeMap<Told, u64> {
    TALLY.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn told(line: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    match line["cause"].as_str() {
        Some(code) => Told::Cause(code.to_owned()),
        None => Told::Nothing {
            mechanism: text(&line["mechanism"]),
            missing: text(&line["missing"][0]),
        },
    }
}
