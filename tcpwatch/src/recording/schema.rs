//! `docs/schema/recording.schema.json`, made of the types that are written: it cannot say anything else than they do.

use std::path::Path;
use std::{env, fs};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::line::{End, Header, Own};
use crate::event::Event;

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/recording.schema.json");
    let now = format!("{:#}\n", schema());
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "the types say something else than {}. {HOW}", path.display());
}

fn schema() -> Value {
    // What a reader may meet: fields that came later are missing in what was recorded before.
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let own = Own::<Header, End>::json_schema(&mut generator);
    let event = Event::json_schema(&mut generator);
    let kinds: Vec<_> = kinds(&own).chain(kinds(&event)).cloned().collect();
    let mut definitions = generator.take_definitions(true);
    let mut kinds = Value::from(kinds);
    definitions.values_mut().chain([&mut kinds]).for_each(as_prose);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://tcpwatch.invalid/schema/recording.schema.json",
        "title": "One line of a recording of tcpwatch",
        "description": DESCRIPTION,
        "oneOf": kinds,
        "$defs": definitions,
    })
}

/// The kinds of lines that a type stands for.
fn kinds(schema: &Schema) -> impl Iterator<Item = &Value> {
    schema.get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

/// Doc comments have line breaks and links, which are for readers of the source.
fn as_prose(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ").replace("[`", "`").replace("`]", "`");
            }
            fields.values_mut().for_each(as_prose);
        }
        Value::Array(values) => values.iter_mut().for_each(as_prose),
        _ => {}
    }
}

const DESCRIPTION: &str = "See tcpwatch/src/recording/format.md. A field that is not required came later than the \
    schema number, or may be null. New names may come; readers ignore names they do not know.";

const HOW: &str = "If that is meant, write it by BLESS=1 cargo test -p tcpwatch recording::schema, and read the change";
