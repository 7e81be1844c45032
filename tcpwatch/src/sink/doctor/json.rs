//! One JSON object; described by `docs/schema/doctor.schema.json`.

use serde::Serialize;

use crate::doctor::{Capability, Facts, Finding, LockedMemory, Namespace, Sight, TypeInformation};
use crate::sink::json::Row;
use crate::sink::{Clock, SCHEMA};

/// The facts, and what was found in them.
pub fn object<'a>(facts: &'a Facts, findings: &'a [Finding]) -> impl Serialize + 'a {
    let mut clock = Clock::utc();
    clock.set(&facts.host);
    Report {
        schema: SCHEMA,
        kind: "doctor",
        time: clock.at(facts.host.time).rfc3339(),
        hostname: &facts.host.hostname,
        boot_id: &facts.host.boot_id,
        kernel: &facts.host.kernel,
        version: &facts.host.version,
        sight: Seen::of(&facts.sight),
        namespaces: &facts.namespaces,
        findings,
    }
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    hostname: &'a str,
    boot_id: &'a str,
    kernel: &'a str,
    version: &'a str,
    sight: Seen<'a>,
    namespaces: &'a [Namespace],
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Seen<'a> {
    hooks: Vec<Row<'a>>,
    refused: Option<&'a str>,
    types: &'a TypeInformation,
    lockdown: &'static str,
    capabilities: &'a [Capability],
    memory: LockedMemory,
}

impl<'a> Seen<'a> {
    fn of(sight: &'a Sight) -> Self {
        Self {
            hooks: sight.hooks.iter().map(Row::of).collect(),
            refused: sight.refused.as_deref(),
            types: &sight.types,
            lockdown: sight.lockdown,
            capabilities: &sight.capabilities,
            memory: sight.memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::doctor::{Process, findings, samples};
    use crate::sink::json_line;
    use crate::sink::schema::Schema;

    fn written(facts: &Facts) -> (String, Value) {
        let text = json_line(&object(facts, &findings(facts)));
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn it_is_one_object_on_one_line() {
        let (text, value) = written(&samples::all_wrong());
        assert_eq!(text.lines().count(), 1);
        assert_eq!(value["type"], "doctor");
        assert_eq!(value["time"], "2026-11-21T12:04:00.000000000Z");
    }

    #[test]
    fn findings_carry_value_unit_and_namespace() {
        let (_, value) = written(&samples::all_wrong());
        let mut findings = value["findings"].as_array().unwrap().iter();
        let found = findings.find(|f| f["code"] == "conntrack-timeout-below-keepalive").unwrap();
        assert_eq!(found["severity"], "warning");
        assert_eq!(found["values"][0]["value"], 300);
        assert_eq!(found["values"][0]["unit"], "s");
        assert_eq!(found["places"][0]["netns"], 4_026_531_840_u32);
        assert_eq!(found["leads_to"][0], "conntrack-expired");
    }

    #[test]
    fn all_of_it_is_described_by_the_schema() {
        let mut unseen = samples::facts(vec![Namespace::unknown(crate::event::NetNs(5))]);
        unseen.sight = Sight {
            hooks: Vec::new(),
            refused: Some("CAP_BPF is missing".into()),
            types: TypeInformation { path: "/nowhere".into(), bytes: None },
            memory: LockedMemory { counted: None, needed: 1, limit: None },
            ..unseen.sight
        };
        let schema = Schema::published("doctor");
        for facts in [samples::all_wrong(), samples::facts(vec![samples::clean()]), unseen] {
            assert_eq!(schema.complaints(&written(&facts).1), Vec::<String>::new());
        }
    }

    #[test]
    fn names_from_outside_command_no_terminal() {
        let process = Some(Process { pid: 1, command: "\u{1b}]0;x\u{7}".into(), pod: None });
        let facts = samples::facts(vec![Namespace { process, ..samples::clean() }]);
        let (text, value) = written(&facts);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
        assert_eq!(value["namespaces"][0]["process"]["command"], "\u{1b}]0;x\u{7}");
    }
}
