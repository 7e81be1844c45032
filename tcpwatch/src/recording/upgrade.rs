//! What recordings of older schemas need before this version understands their lines.
//!
//! One row per schema that was ever left behind; rows are never removed. A row changes the JSON of one line.

use serde_json::Value;

use super::SCHEMA;

/// Brings a line of schema `from` to the form before the next one.
type FixUp = fn(&mut Value);

/// Schema and what its lines need to become lines of the next. Schema 1 is the first, so there is none yet.
const ROWS: &[(u32, FixUp)] = &[];

/// Lines of this schema are understood as they are.
pub(super) fn is_current(schema: u32) -> bool {
    schema == SCHEMA
}

/// A line of an older schema as this version would have written it.
pub(super) fn upgrade(schema: u32, mut line: Value) -> Value {
    for (_, fix_up) in ROWS.iter().filter(|(from, _)| *from >= schema) {
        fix_up(&mut line);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_left_behind_has_its_row() {
        let rows: Vec<_> = ROWS.iter().map(|(from, _)| *from).collect();
        assert_eq!(rows, (1..SCHEMA).collect::<Vec<_>>());
    }
}
