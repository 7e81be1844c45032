//! A process that is busy beside an incident and has nothing to do with it: it runs when the kernel is interrupted, and
//! is the current task of many a reply. Nobody may name it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::address::{Ip, at};
use crate::helper::Helper;
use crate::namespace::Namespace;

/// Busy until dropped. There is one at a time.
pub struct Bystander {
    _process: Helper,
    _namespace: Namespace,
}

/// The pid of the one there is.
static BUSY: Mutex<Option<u32>> = Mutex::new(None);

const COMMAND: &str = "bystander";

impl Bystander {
    pub fn start() -> Self {
        let namespace = Namespace::new(COMMAND);
        let mut process = Helper::listens(&namespace, COMMAND, at(Ip::V4.loopback(), 1));
        process.is_busy();
        *busy() = Some(process.pid());
        Self { _process: process, _namespace: namespace }
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        *busy() = None;
    }
}

/// The verdicts among these lines that name the bystander, by pid or by command; none where there is no bystander.
pub(crate) fn named_in(lines: &[Value]) -> Vec<&Value> {
    let Some(pid) = *busy() else { return Vec::new() };
    let told = lines.iter().filter(|line| line["type"] == "verdict" || line["type"] == "amendment");
    told.filter(|line| names(line, pid)).collect()
}

fn names(value: &Value, pid: u32) -> bool {
    match value {
        Value::Object(fields) => {
            fields.get("pid").is_some_and(|named| *named == pid)
                || fields.values().any(|field| names(field, pid))
        }
        Value::Array(items) => items.iter().any(|item| names(item, pid)),
        Value::String(text) => text.contains(COMMAND),
        _ => false,
    }
}

fn busy() -> std::sync::MutexGuard<'static, Option<u32>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::names;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        for named in [
            json!({ "owner": { "pid": 7, "command": "web" } }),
            json!({ "also": [{ "evidence": { "by": { "pid": 7 } } }] }),
            json!({ "sentence": "closed by bystander[8]" }),
        ] {
            assert!(names(&named, 7), "{named}");
        }
        assert!(!names(&json!({ "owner": { "pid": 8 }, "id": 7, "sentence": "7 resets" }), 7));
    }
}
