//! One JSON object per line; described by `docs/schema/verdict.schema.json`.
//!
//! Names are stable within a `schema` number. Enums are strings, times are RFC 3339 with nanoseconds in UTC.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::escape::{is_harmful, is_plain};
use super::out::Out;
use super::owner::{Owner, Pod};
use super::{Clock, Sink, Summary};
use crate::event::{
    Acknowledged, CoverageDeclared, Endpoint, EventsLost, Fact, HookCoverage, HostDescribed,
    LossStage, NetNs, TcpState, Time, Way,
};
use crate::explain::cause::Cause;
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{
    self, Certainty, Direction, Explanation, Finding, OwnerStatus, Remedy, RstHeader, Skew, Symptom,
};

/// Raised when a name changes its meaning or goes; new names come without.
pub const SCHEMA: u32 = 1;

/// JSON Lines for programs.
pub struct Json<W> {
    clock: Clock,
    /// That of the host a reset came from, where that is another one.
    peer: Clock,
    /// Who speaks, where there are several hosts.
    host: Option<String>,
    out: Out<W>,
}

impl<W: Write> Json<W> {
    pub fn new(to: W) -> Self {
        Self { clock: Clock::utc(), peer: Clock::utc(), host: None, out: Out::new(to) }
    }

    fn write(&mut self, body: Body<'_>) -> io::Result<()> {
        let line = Object { schema: SCHEMA, host: self.host.as_deref(), body };
        write_line(&mut self.out.bytes, &line)?;
        self.out.relieve()
    }

    fn time(&mut self, time: Time) -> String {
        self.clock.at(time).rfc3339()
    }

    /// Times in the evidence are of the host that explains.
    fn evidence(&mut self, verdict: &verdict::Verdict, best: &Explanation) -> Vec<EvidenceLine> {
        match verdict.explained_by() {
            Some(peer) => {
                self.peer.set(&peer.host);
                lines(&mut self.peer, best)
            }
            None => lines(&mut self.clock, best),
        }
    }
}

impl<W: Write> Sink for Json<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        let time = self.time(host.time);
        self.write(Body::Started(Started {
            time,
            hostname: &host.hostname,
            boot_id: &host.boot_id,
            kernel: &host.kernel,
            version: &host.version,
        }))
    }

    fn host(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        self.host = Some(host.hostname.clone());
        Ok(())
    }

    fn coverage(&mut self, coverage: &CoverageDeclared) -> io::Result<()> {
        let time = self.time(coverage.time);
        let hooks = coverage.hooks.iter().map(Row::of).collect();
        self.write(Body::Coverage(Coverage { time, hooks }))
    }

    fn verdict(&mut self, verdict: &verdict::Verdict) -> io::Result<()> {
        let time = self.time(verdict.time);
        let told = match &verdict.finding {
            Finding::Explained(best) => Told::of(best, self.evidence(verdict, best)),
            Finding::Unexplained { .. } => Told::nothing(),
        };
        let owner = verdict.owner.as_ref().map(|owner| Owner::of(owner, &mut self.clock));
        self.write(Body::Verdict(Box::new(Verdict::of(verdict, time, told, owner))))
    }

    fn amendment(&mut self, amendment: &verdict::Amendment) -> io::Result<()> {
        let time = self.time(amendment.time);
        let lines = lines(&mut self.clock, &amendment.explanation);
        let told = Told::of(&amendment.explanation, lines);
        let owner = amendment.owner.as_ref().map(|owner| Owner::of(owner, &mut self.clock));
        self.write(Body::Amendment(Box::new(Amendment { of: amendment.of, time, told, owner })))
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        let (since, until) = (self.time(lost.since), self.time(lost.until));
        let (fact, count, stage) = (lost.fact, lost.count, lost.stage);
        self.write(Body::Lost(Lost { since, until, fact, count, stage }))
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        self.host = None;
        self.write(Body::Totals(Totals::of(summary)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.drain()
    }
}

/// One object that commands no terminal.
pub(super) fn write_line(out: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    line.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Harmless))?;
    out.push(b'\n');
    Ok(())
}

/// The account of a run, for other kinds of lines before it.
pub(super) fn write_account(out: &mut Vec<u8>, summary: &Summary<'_>) -> io::Result<()> {
    let body = Body::Totals(Totals::of(summary));
    write_line(out, &Object { schema: SCHEMA, host: None, body })
}

fn lines(clock: &mut Clock, explanation: &Explanation) -> Vec<EvidenceLine> {
    let evidence = explanation.cause.evidence();
    evidence.into_iter().map(|line| EvidenceLine::of(line, clock)).collect()
}

/// One value on a line of its own, harmless to a terminal.
pub fn json_line(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut to = serde_json::Serializer::with_formatter(&mut text, Harmless);
    // Into memory: nothing that can fail.
    _ = value.serialize(&mut to);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

#[derive(Serialize)]
struct Object<'a> {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Body<'a> {
    Started(Started<'a>),
    Coverage(Coverage<'a>),
    Verdict(Box<Verdict<'a>>),
    Amendment(Box<Amendment<'a>>),
    Lost(Lost),
    Totals(Totals<'a>),
}

#[derive(Serialize)]
struct Started<'a> {
    time: String,
    hostname: &'a str,
    boot_id: &'a str,
    kernel: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Coverage<'a> {
    time: String,
    hooks: Vec<Row<'a>>,
}

#[derive(Serialize)]
pub(super) struct Row<'a> {
    fact: Fact,
    hook: &'a str,
    way: Option<Way>,
    failed: &'a [String],
    blind: Option<&'a str>,
    idle: bool,
}

impl<'a> Row<'a> {
    pub(super) fn of(hook: &'a HookCoverage) -> Self {
        Self {
            fact: hook.fact,
            hook: &hook.hook,
            way: hook.way,
            failed: &hook.failed,
            blind: Some(hook.blind.as_str()).filter(|blind| !blind.is_empty()),
            idle: hook.idle,
        }
    }
}

#[derive(Serialize)]
struct Verdict<'a> {
    id: u64,
    time: String,
    netns: Namespace<'a>,
    pod: Option<Pod<'a>>,
    direction: Direction,
    local: Endpoint,
    remote: Endpoint,
    service: Option<Endpoint>,
    symptom: Symptom,
    errno: Option<Errno>,
    mechanism: Mechanism,
    reset_reason: Option<&'a str>,
    state: Option<TcpState>,
    rst: Header,
    #[serde(flatten)]
    told: Told<'a>,
    missing: &'a [String],
    also: Vec<Also<'a>>,
    owner: Option<Owner<'a>>,
    owner_status: OwnerStatus,
    joined: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_host: Option<&'a str>,
}

impl<'a> Verdict<'a> {
    fn of(
        verdict: &'a verdict::Verdict,
        time: String,
        told: Told<'a>,
        owner: Option<Owner<'a>>,
    ) -> Self {
        Self {
            id: verdict.id,
            time,
            netns: Namespace::of(verdict.netns, verdict.namespace.as_deref()),
            pod: verdict.pod.as_ref().map(Pod::of),
            direction: verdict.direction,
            local: verdict.flow.local,
            remote: verdict.flow.remote,
            service: verdict.service,
            symptom: verdict.symptom,
            errno: verdict.errno.map(|errno| Errno { name: errno.name, number: errno.number }),
            mechanism: verdict.mechanism,
            reset_reason: verdict.reason.as_deref(),
            state: verdict.state,
            rst: Header::of(verdict.rst),
            told,
            missing: missing(&verdict.finding),
            also: verdict.also.iter().map(Also::of).collect(),
            owner,
            owner_status: verdict.owner_status,
            joined: verdict.joined,
            joined_host: verdict.peer.as_ref().map(|peer| peer.host.hostname.as_str()),
        }
    }
}

/// What finds the packet in a capture.
#[derive(Serialize)]
struct Header {
    seq: u32,
    ack: Option<u32>,
    ttl: Option<u8>,
}

impl Header {
    fn of(rst: RstHeader) -> Self {
        let ack = match rst.ack {
            Acknowledged::Number(number) => Some(number),
            Acknowledged::Nothing | Acknowledged::Unseen => None,
        };
        Self { seq: rst.seq, ack, ttl: rst.ttl }
    }
}

fn missing(finding: &Finding) -> &[String] {
    match finding {
        Finding::Explained(_) => &[],
        Finding::Unexplained { missing } => missing,
    }
}

#[derive(Serialize)]
struct Amendment<'a> {
    of: u64,
    time: String,
    #[serde(flatten)]
    told: Told<'a>,
    owner: Option<Owner<'a>>,
}

/// What is said about the cause: all of it, or nothing.
#[derive(Serialize)]
struct Told<'a> {
    cause: Option<&'static str>,
    certainty: Option<Certainty>,
    sentence: Option<String>,
    evidence: Evidence<'a>,
    evidence_lines: Vec<EvidenceLine>,
    remedy: Option<Remedy>,
}

impl<'a> Told<'a> {
    fn of(explanation: &'a Explanation, evidence_lines: Vec<EvidenceLine>) -> Self {
        let cause = &explanation.cause;
        Self {
            cause: Some(cause.code()),
            certainty: Some(explanation.certainty),
            sentence: Some(cause.to_string()),
            evidence: Evidence::Of(cause),
            evidence_lines,
            remedy: Some(cause.remedy()),
        }
    }

    fn nothing() -> Self {
        Self {
            cause: None,
            certainty: None,
            sentence: None,
            evidence: Evidence::None {},
            evidence_lines: Vec::new(),
            remedy: None,
        }
    }
}

/// The fields of the cause; an empty object where there is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Evidence<'a> {
    Of(&'a Cause),
    None {},
}

#[derive(Serialize)]
struct EvidenceLine {
    source: &'static str,
    time: Option<String>,
    text: String,
}

impl EvidenceLine {
    fn of(line: verdict::Evidence, clock: &mut Clock) -> Self {
        let time = line.at.map(|at| clock.at(at).rfc3339());
        Self { source: line.source, time, text: line.text }
    }
}

/// The same lines for a field of another format.
#[cfg(feature = "parquet")]
pub(super) fn evidence_text(
    lines: Vec<verdict::Evidence>,
    clock: &mut Clock,
) -> io::Result<String> {
    let lines: Vec<_> = lines.into_iter().map(|line| EvidenceLine::of(line, clock)).collect();
    let mut text = Vec::new();
    lines.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Harmless))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[derive(Serialize)]
struct Also<'a> {
    cause: &'static str,
    certainty: Certainty,
    sentence: String,
    evidence: &'a Cause,
}

impl<'a> Also<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        Self {
            cause: explanation.cause.code(),
            certainty: explanation.certainty,
            sentence: explanation.cause.to_string(),
            evidence: &explanation.cause,
        }
    }
}

#[derive(Serialize)]
struct Errno {
    name: &'static str,
    number: i32,
}

#[derive(Serialize)]
struct Namespace<'a> {
    inode: NetNs,
    name: Option<&'a str>,
}

impl<'a> Namespace<'a> {
    fn of(inode: NetNs, name: Option<&'a str>) -> Self {
        Self { inode, name }
    }
}

#[derive(Serialize)]
struct Lost {
    since: String,
    until: String,
    fact: Fact,
    count: u64,
    stage: LossStage,
}

#[derive(Serialize)]
struct Totals<'a> {
    explained: u64,
    unexplained: u64,
    lost: u64,
    hidden: u64,
    causes: &'a BTreeMap<&'static str, u64>,
    namespaces: Vec<NamespaceAccount<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    skews: &'a [Skew],
    cpu_seconds: Option<f64>,
}

impl<'a> Totals<'a> {
    fn of(summary: &Summary<'a>) -> Self {
        let totals = summary.totals;
        Self {
            explained: totals.explained,
            unexplained: totals.unexplained,
            lost: totals.lost,
            hidden: summary.hidden,
            causes: &totals.causes,
            namespaces: totals.namespaces.iter().map(NamespaceAccount::of).collect(),
            skews: &totals.skews,
            cpu_seconds: summary.cpu.map(|cpu| cpu.as_secs_f64()),
        }
    }
}

#[derive(Serialize)]
struct NamespaceAccount<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    netns: Namespace<'a>,
    sent: u64,
    out_rsts: Option<u64>,
    difference: Option<i64>,
}

impl<'a> NamespaceAccount<'a> {
    fn of(account: &'a verdict::NamespaceTotals) -> Self {
        Self {
            host: account.host.as_deref(),
            netns: Namespace::of(account.netns, account.name.as_deref()),
            sent: account.sent,
            out_rsts: account.out_rsts,
            difference: account.difference,
        }
    }
}

/// Compact JSON in which nothing can command a terminal: same strings, other spelling.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        fragment.chars().try_for_each(|c| write_char(writer, c))
    }
}

fn write_char<W: ?Sized + Write>(writer: &mut W, c: char) -> io::Result<()> {
    let mut units = [0; 2];
    if !is_harmful(c) {
        return write!(writer, "{c}");
    }
    c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sink::samples;
    use crate::sink::schema::Schema;

    fn written(tell: impl FnOnce(&mut Json<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut json = Json::new(&mut bytes);
        json.clock.set(&samples::host());
        tell(&mut json);
        json.flush().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn of(verdict: &verdict::Verdict) -> Value {
        serde_json::from_str(&written(|json| json.verdict(verdict).unwrap())).unwrap()
    }

    #[test]
    fn a_verdict_is_one_line_in_a_fixed_order() {
        let expected = concat!(
            r#"{"schema":1,"type":"verdict","id":17,"time":"2026-11-21T12:04:31.882104007Z","#,
            r#""netns":{"inode":4026532201,"name":"shop"},"pod":null,"direction":"sent","#,
            r#""local":{"addr":"10.0.0.1","port":80},"remote":{"addr":"10.0.0.9","port":40000},"#,
            r#""service":null,"symptom":"refused","errno":{"name":"ECONNREFUSED","number":111},"#,
            r#""mechanism":"syn-to-no-socket","reset_reason":"NO_SOCKET","state":null,"#,
            r#""rst":{"seq":0,"ack":4711,"ttl":null},"#,
            r#""cause":"no-listener","certainty":"observed","#,
            r#""sentence":"nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only","#,
            r#""evidence":{"dialled":{"addr":"10.0.0.1","port":80},"#,
            r#""elsewhere":[{"addr":"127.0.0.1","port":80}],"watched_s":31.0},"#,
            r#""evidence_lines":[{"source":"tcp","time":null,"text":"SYN to 10.0.0.1:80 found no socket"},"#,
            r#"{"source":"listener","time":null,"text":"port 80 is open on 127.0.0.1:80 only"}],"#,
            r#""remedy":{"now":"the server takes connections from its own host only; see whether that is meant","#,
        );
        let line = written(|json| json.verdict(&samples::explained()).unwrap());
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn an_unexplained_reset_has_no_cause_but_says_what_is_missing() {
        let verdict = of(&samples::unexplained());
        for name in ["cause", "certainty", "sentence", "remedy", "joined", "reset_reason"] {
            assert_eq!(verdict[name], Value::Null, "{name}");
        }
        assert_eq!(verdict["evidence"], serde_json::json!({}));
        assert_eq!(verdict["missing"][1], "the beginning of this connection");
        assert_eq!(verdict["owner"]["command"], "ngi\u{1b}[31mnx", "as it is, for programs");
    }

    #[test]
    fn a_received_reset_names_service_and_other_end() {
        let verdict = of(&samples::received());
        assert_eq!(verdict["direction"], "received");
        assert_eq!(verdict["service"]["addr"], "10.96.0.1");
        assert_eq!(verdict["joined"], 17);
        assert_eq!(verdict["state"], "SYN_SENT");
        assert_eq!(verdict["rst"], serde_json::json!({ "seq": 0, "ack": 4711, "ttl": 61 }));
        let owner = &verdict["owner"];
        assert_eq!((&owner["pid"], &owner["command"]), (&812.into(), &"curl".into()));
        assert_eq!(
            (&owner["cgroup"], &owner["slice"]),
            (&"/user.slice".into(), &"user.slice".into())
        );
    }

    #[test]
    fn several_hosts_are_called_by_name_and_their_evidence_keeps_its_clock() {
        let mut totals = samples::totals();
        totals.namespaces[0].host = Some("node1".into());
        totals.skews.push(Skew {
            host: "node2".into(),
            reference: "node1".into(),
            ahead_ns: -5_000_000,
            resets: 1,
        });
        let mut expired = samples::amendment().explanation;
        expired.certainty = Certainty::Inferred;
        let mut received = samples::received_elsewhere();
        received.finding = Finding::Explained(std::sync::Arc::new(expired));
        let text = written(|json| {
            json.host(&samples::host()).unwrap();
            json.coverage(&samples::coverage()).unwrap();
            json.host(&samples::other_host()).unwrap();
            json.verdict(&received).unwrap();
            json.lost(&samples::lost()).unwrap();
            json.totals(&samples::summary(&totals)).unwrap();
        });
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let schema = Schema::published("verdict");
        for line in &lines {
            assert_eq!(schema.complaints(line), [""; 0], "{line}");
        }
        let hosts: Vec<_> = lines.iter().map(|line| line["host"].as_str()).collect();
        assert_eq!(hosts, [Some("node1"), Some("node2"), Some("node2"), None]);
        let verdict = &lines[1];
        assert_eq!(verdict["joined_host"], "node1");
        assert_eq!(verdict["time"], "2026-11-21T12:04:31.877104007Z");
        let evidence = &verdict["evidence_lines"][0]["time"];
        assert_eq!(*evidence, "2026-11-21T12:04:34.882104007Z", "by the clock of node1");
        assert_eq!(lines[3]["skews"][0]["ahead_ns"], -5_000_000);
        assert_eq!(lines[3]["namespaces"][0]["host"], "node1");
    }

    #[test]
    fn an_amendment_refers_to_its_verdict() {
        let line = written(|json| json.amendment(&samples::amendment()).unwrap());
        let amendment: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(amendment["type"], "amendment");
        assert_eq!(amendment["of"], 17);
        assert_eq!(amendment["cause"], "not-yet-listening");
        assert_eq!(amendment["evidence_lines"][0]["time"], "2026-11-21T12:04:34.882104007Z");
    }

    #[test]
    fn every_kind_of_line_fits_the_published_schema() {
        let totals = samples::totals();
        let text = written(|json| {
            json.started(&samples::host()).unwrap();
            json.coverage(&samples::coverage()).unwrap();
            json.verdict(&samples::explained()).unwrap();
            json.verdict(&samples::received()).unwrap();
            json.verdict(&samples::unexplained()).unwrap();
            json.amendment(&samples::amendment()).unwrap();
            json.lost(&samples::lost()).unwrap();
            json.totals(&samples::summary(&totals)).unwrap();
        });
        let schema = Schema::published("verdict");
        assert_eq!(text.lines().count(), 8);
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(schema.complaints(&value), [""; 0], "{line}");
        }
    }

    #[test]
    fn the_schema_would_notice() {
        let mut verdict = of(&samples::explained());
        verdict["certainty"] = "maybe".into();
        verdict["id"] = "17".into();
        verdict["extra"] = true.into();
        verdict.as_object_mut().unwrap().remove("remedy");
        let complaints = Schema::published("verdict").complaints(&verdict).join("\n");
        for place in ["$.certainty", "$.id", "$.extra", "$.remedy"] {
            assert!(complaints.contains(place), "{place} is not in\n{complaints}");
        }
    }

    #[test]
    fn nothing_in_a_line_can_command_a_terminal() {
        let mut verdict = samples::unexplained();
        verdict.namespace = Some("a\u{9b}31m\u{202e}\u{e0041}é".into());
        let line = written(|json| json.verdict(&verdict).unwrap());
        assert!(line.contains(r#""a\u009b31m\u202e\udb40\udc41é""#), "{line}");
        assert_eq!(of(&verdict)["netns"]["name"], "a\u{9b}31m\u{202e}\u{e0041}é");
    }
}
