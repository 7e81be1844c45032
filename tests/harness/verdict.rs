//! What tcpwatch says as JSON, and what a scenario expects of it. The names of its fields are known here only.

use std::fmt;
use std::net::SocketAddr;

use serde_json::Value;

use crate::namespace::Namespace;

/// One verdict line.
#[derive(Clone, Debug)]
pub struct Verdict(pub Value);

impl Verdict {
    pub(crate) fn from_line(line: &Value) -> Option<Self> {
        (line["type"] == "verdict").then(|| Self(line.clone()))
    }

    pub fn id(&self) -> Option<u64> {
        self.0["id"].as_u64()
    }

    pub fn netns(&self) -> Option<u64> {
        netns(&self.0)
    }

    pub fn direction(&self) -> &str {
        self.0["direction"].as_str().unwrap_or_default()
    }

    pub fn local(&self) -> Option<SocketAddr> {
        endpoint(&self.0["local"])
    }

    pub fn remote(&self) -> Option<SocketAddr> {
        endpoint(&self.0["remote"])
    }

    pub fn cause(&self) -> Option<&str> {
        self.0["cause"].as_str()
    }

    /// The id of the verdict on the other end of the same reset.
    pub fn joined(&self) -> Option<u64> {
        self.0["joined"].as_u64()
    }

    /// What would have decided, where nothing did.
    pub fn is_honest_about_missing(&self) -> bool {
        let missing = self.0["missing"].as_array();
        missing.is_some_and(|missing| !missing.is_empty() && missing.iter().all(|line| line != ""))
    }

    fn text(&self, field: &str) -> String {
        self.0[field].to_string()
    }
}

/// The namespace of a line, by inode.
pub(crate) fn netns(line: &Value) -> Option<u64> {
    let netns = &line["netns"];
    netns.as_u64().or_else(|| netns["inode"].as_u64()).or_else(|| line["inode"].as_u64())
}

fn endpoint(value: &Value) -> Option<SocketAddr> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    let port = value["port"].as_u64()?.try_into().ok()?;
    Some(SocketAddr::new(value["addr"].as_str()?.parse().ok()?, port))
}

/// A verdict a scenario waits for: first who it is about, then what it must say.
pub struct Expected {
    direction: &'static str,
    netns: u64,
    local: SocketAddr,
    remote: SocketAddr,
    /// Tells the resets of one connection apart.
    mechanism: Option<&'static str>,
    claims: Vec<Claim>,
}

struct Claim {
    says: String,
    holds: Box<dyn Fn(&Verdict) -> bool>,
}

impl Expected {
    /// A reset that `local` in `namespace` sent to `remote`.
    pub fn sent(namespace: &Namespace, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            direction: "sent",
            netns: namespace.inode(),
            local,
            remote,
            mechanism: None,
            claims: Vec::new(),
        }
    }

    /// A reset that reached `local` in `namespace`, from `remote`.
    pub fn received(namespace: &Namespace, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { direction: "received", ..Self::sent(namespace, local, remote) }
    }

    /// Explained, by this cause.
    pub fn because(self, code: &'static str) -> Self {
        self.claim(format!("the cause {code}"), move |v| v.cause() == Some(code))
            .claim("a certainty".to_owned(), |v| v.0["certainty"].is_string())
    }

    /// Not explained, with a reason why not.
    pub fn unexplained(self) -> Self {
        self.claim("no cause".to_owned(), |v| v.0["cause"].is_null())
            .claim("what is missing".to_owned(), Verdict::is_honest_about_missing)
    }

    /// No cause, or none for sure.
    pub fn is_not_firm(self) -> Self {
        self.claim("no firm cause".to_owned(), |v| {
            v.0["certainty"].is_null() || v.0["certainty"] == "inferred"
        })
    }

    /// What is missing names this.
    pub fn lacks(self, what: &'static str) -> Self {
        self.claim(format!("that {what} are missing"), move |v| v.text("missing").contains(what))
    }

    pub fn mechanism(self, name: &'static str) -> Self {
        Self { mechanism: Some(name), ..self }
    }

    /// The application gets ECONNREFUSED.
    pub fn refused(self) -> Self {
        self.errno("ECONNREFUSED", libc::ECONNREFUSED).claim_field("symptom", "refused")
    }

    /// The application gets ECONNRESET.
    pub fn reset(self) -> Self {
        self.errno("ECONNRESET", libc::ECONNRESET).claim_field("symptom", "reset")
    }

    pub fn errno(self, name: &'static str, number: i32) -> Self {
        self.claim(format!("the error {name}"), move |v| {
            v.0["errno"]["name"] == name && v.0["errno"]["number"] == number
        })
    }

    /// The evidence names this somewhere.
    pub fn evidence(self, what: impl fmt::Display) -> Self {
        let what = what.to_string();
        self.claim(format!("evidence of {what}"), move |v| v.text("evidence").contains(&what))
    }

    /// Evidence or remedy quote this.
    pub fn quotes(self, what: impl fmt::Display) -> Self {
        let what = what.to_string();
        self.claim(format!("a quote of {what}"), move |v| {
            v.text("evidence").contains(&what) || v.text("remedy").contains(&what)
        })
    }

    /// The evidence has a field of this name with this value, at any depth.
    pub fn fact(self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.claim(format!("evidence of {name} = {value}"), move |v| {
            has_field(&v.0["evidence"], name, &value)
        })
    }

    /// This process holds the socket, or the listener.
    pub fn held_by(self, pid: u32) -> Self {
        self.claim(format!("the owner {pid}"), move |v| v.0["owner"]["pid"] == pid)
    }

    /// The owner has a field of this name with this value, at any depth.
    pub fn owner(self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.claim(format!("an owner with {name} = {value}"), move |v| {
            has_field(&v.0["owner"], name, &value)
        })
    }

    /// The verdict itself has a field with this value.
    pub fn says(self, field: &'static str, value: &'static str) -> Self {
        self.claim_field(field, value)
    }

    /// The same for a field of a field.
    pub fn says_within(
        self,
        outer: &'static str,
        field: &'static str,
        value: &'static str,
    ) -> Self {
        self.claim(format!("{outer}.{field} {value}"), move |v| v.0[outer][field] == value)
    }

    fn claim_field(self, field: &'static str, value: &'static str) -> Self {
        self.claim(format!("{field} {value}"), move |v| v.0[field] == value)
    }

    fn claim(mut self, says: String, holds: impl Fn(&Verdict) -> bool + 'static) -> Self {
        self.claims.push(Claim { says, holds: Box::new(holds) });
        self
    }

    /// Is the verdict about this reset?
    pub(crate) fn is_about(&self, verdict: &Verdict) -> bool {
        verdict.direction() == self.direction
            && verdict.netns() == Some(self.netns)
            && verdict.local() == Some(self.local)
            && verdict.remote() == Some(self.remote)
            && self.mechanism.is_none_or(|name| verdict.0["mechanism"] == name)
    }

    /// What it should have said and did not.
    pub(crate) fn unmet_by(&self, verdict: &Verdict) -> Vec<&str> {
        self.claims
            .iter()
            .filter(|claim| !(claim.holds)(verdict))
            .map(|claim| claim.says.as_str())
            .collect()
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, netns, local, remote, mechanism, claims } = self;
        let how = mechanism.unwrap_or("any");
        write!(
            f,
            "a verdict on the reset {direction} in namespace {netns}, local {local}, remote {remote}, mechanism {how}"
        )?;
        claims.iter().try_for_each(|claim| write!(f, ", with {}", claim.says))
    }
}

fn has_field(value: &Value, name: &str, expected: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.get(name) == Some(expected)
                || fields.values().any(|inner| has_field(inner, name, expected))
        }
        Value::Array(items) => items.iter().any(|inner| has_field(inner, name, expected)),
        _ => false,
    }
}
