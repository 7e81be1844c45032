//! A kept text against what is said now.

use std::path::Path;
use std::{env, fs};

use similar::TextDiff;

use crate::Outcome;

/// The file holds these bytes, or is made to hold them: `BLESS=1`.
pub(crate) fn expect(file: &Path, now: &str) -> Outcome {
    if env::var_os("BLESS").is_some() {
        return fs::write(file, now).map_err(|error| format!("{}: {error}", file.display()).into());
    }
    let Ok(kept) = fs::read_to_string(file) else {
        return Err(format!("{} is not there. {HOW}", file.display()).into());
    };
    if kept == now {
        return Ok(());
    }
    Err(format!("{} says something else now:\n{}\n{HOW}", file.display(), diff(&kept, now)).into())
}

fn diff(kept: &str, now: &str) -> String {
    let (kept, now) = (spread(kept), spread(now));
    TextDiff::from_lines(&kept, &now).unified_diff().header("kept", "now").to_string()
}

/// JSON Lines with each value on a line of its own; other text as it is.
fn spread(text: &str) -> String {
    let objects: Result<Vec<serde_json::Value>, _> =
        text.lines().map(serde_json::from_str).collect();
    match objects {
        Ok(objects) => {
            objects.iter().fold(String::new(), |text, object| format!("{text}{object:#}\n"))
        }
        Err(_) => text.to_owned(),
    }
}

const HOW: &str = "If that is better, write it by BLESS=1 cargo test -p tcpwatch-tests --test incidents, and read the change";
