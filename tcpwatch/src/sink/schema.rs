//! Checks JSON against the files of `docs/schema`. Knows the keywords these use, and refuses others.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// What we say of our own lines.
pub(super) struct Schema(Value);

impl Schema {
    /// By its name: `verdict`, `recording`, `top`, `doctor`.
    pub(super) fn published(name: &str) -> Self {
        let published = PUBLISHED.iter().find(|(of, _)| *of == name);
        let (_, text) = published.unwrap_or_else(|| panic!("no schema is called {name}"));
        Self(serde_json::from_str(text).unwrap())
    }

    /// What does not fit, each with its place.
    pub(super) fn complaints(&self, value: &Value) -> Vec<String> {
        let mut complaints = Vec::new();
        self.check(&self.0, value, "$", &mut complaints);
        complaints
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
        for (keyword, wanted) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$ref" => self.check(self.definition(wanted), value, place, out),
                "type" if !is_of_type(value, wanted) => out.push(format!("{place}: not {wanted}")),
                "const" if value != wanted => out.push(format!("{place}: not {wanted}")),
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    out.push(format!("{place}: not one of {wanted}"));
                }
                "minimum" if value.is_number() && value.as_f64() < wanted.as_f64() => {
                    out.push(format!("{place}: less than {wanted}"));
                }
                "maximum" if value.is_number() && value.as_f64() > wanted.as_f64() => {
                    out.push(format!("{place}: more than {wanted}"));
                }
                "anyOf" if self.fitting(wanted, value) == 0 => {
                    out.push(format!("{place}: {value} is none of {wanted}"));
                }
                "$schema" | "$id" | "$defs" | "title" | "description" | "default" | "type"
                | "const" | "enum" | "minimum" | "maximum" | "anyOf" => {}
                "format" => check_format(wanted, value, place, out),
                "pattern" => check_pattern(wanted, value, place, out),
                "required" => check_required(wanted, value, place, out),
                "properties" => self.check_properties(wanted, value, place, out),
                "additionalProperties" => {
                    self.check_others(schema, wanted, value, place, out);
                }
                "items" => self.check_items(wanted, value, place, out),
                "oneOf" if value["type"].is_string() => {
                    self.check_kind(wanted, value, place, out);
                }
                "oneOf" => self.check_one_of(wanted, value, place, out),
                other => panic!("the checker does not know the keyword {other}"),
            }
        }
    }

    fn definition(&self, reference: &Value) -> &Value {
        self.0.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap()
    }

    fn check_properties(&self, wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
        for (name, schema) in wanted.as_object().unwrap() {
            if let Some(field) = value.get(name) {
                self.check(schema, field, &format!("{place}.{name}"), out);
            }
        }
    }

    fn check_others(
        &self,
        schema: &Value,
        wanted: &Value,
        value: &Value,
        place: &str,
        out: &mut Vec<String>,
    ) {
        let known = schema.get("properties").and_then(Value::as_object);
        for (name, field) in value.as_object().unwrap_or(&Map::new()) {
            let place = format!("{place}.{name}");
            match wanted {
                _ if known.is_some_and(|known| known.contains_key(name)) => {}
                Value::Bool(false) => out.push(format!("{place}: not described")),
                Value::Bool(true) => {}
                schema => self.check(schema, field, &place, out),
            }
        }
    }

    fn check_items(&self, wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.check(wanted, item, &format!("{place}[{index}]"), out);
        }
    }

    fn check_one_of(&self, wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
        match self.fitting(wanted, value) {
            1 => {}
            fitting => out.push(format!("{place}: {value} is {fitting} of {wanted}")),
        }
    }

    /// How many of the branches.
    fn fitting(&self, branches: &Value, value: &Value) -> usize {
        let fits = |branch: &&Value| {
            let mut complaints = Vec::new();
            self.check(branch, value, "", &mut complaints);
            complaints.is_empty()
        };
        branches.as_array().unwrap().iter().filter(fits).count()
    }

    /// The branches differ by `type`, so that a complaint can come from the branch that was meant.
    fn check_kind(&self, wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
        let meant = wanted.as_array().unwrap().iter().find(|branch| {
            let named = branch.get("$ref").map_or(*branch, |reference| self.definition(reference));
            [*branch, named].iter().any(|b| b["properties"]["type"]["const"] == value["type"])
        });
        match meant {
            Some(branch) => self.check(branch, value, place, out),
            None => out.push(format!("{place}: no kind of line is called {}", value["type"])),
        }
    }
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(types) => types.iter().any(|wanted| is_of_type(value, wanted)),
        wanted => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the checker does not know the type {other}"),
        },
    }
}

fn check_required(wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    if !value.is_object() {
        return;
    }
    let names = wanted.as_array().unwrap().iter().filter_map(Value::as_str);
    let missing = names.filter(|name| value.get(name).is_none());
    out.extend(missing.map(|name| format!("{place}.{name}: missing")));
}

/// Of what is neither text nor a number, `type` judges.
fn check_format(wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    let most = match wanted.as_str().unwrap() {
        "date-time" => return check_time(value, place, out),
        "ip" if value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_err()) => 0,
        "ip" | "uint64" => return,
        "uint32" => u32::MAX.into(),
        "uint16" => u16::MAX.into(),
        "uint8" => u8::MAX.into(),
        other => panic!("the checker does not know the format {other}"),
    };
    if value.is_string() || value.as_u64().is_some_and(|value| value > most) {
        out.push(format!("{place}: {value} is no {wanted}"));
    }
}

/// Seconds with nanoseconds, and kernel addresses.
fn check_pattern(wanted: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    let Some(text) = value.as_str() else { return };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = match wanted.as_str().unwrap() {
        r"^[0-9]+\.[0-9]{9}$" => text
            .split_once('.')
            .is_some_and(|(seconds, nanos)| digits(seconds) && digits(nanos) && nanos.len() == 9),
        "^0x[0-9a-f]{1,16}$" => text
            .strip_prefix("0x")
            .is_some_and(|number| (1..=16).contains(&number.len()) && number.bytes().all(hex)),
        other => panic!("the checker does not know the pattern {other}"),
    };
    if !fits {
        out.push(format!("{place}: {text} is not like {wanted}"));
    }
}

/// RFC 3339 in UTC with nine digits, as we promise; `null` is for `type` to judge.
fn check_time(value: &Value, place: &str, out: &mut Vec<String>) {
    let Some(text) = value.as_str() else { return };
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if form != "0000-00-00T00:00:00.000000000Z" {
        out.push(format!("{place}: {text} is not RFC 3339 with nanoseconds"));
    }
}

const PUBLISHED: [(&str, &str); 4] = [
    ("verdict", include_str!("../../../docs/schema/verdict.schema.json")),
    ("recording", include_str!("../../../docs/schema/recording.schema.json")),
    ("top", include_str!("../../../docs/schema/top.schema.json")),
    ("doctor", include_str!("../../../docs/schema/doctor.schema.json")),
];
