//! Where the service or the other end is, as far as a line tells.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Side;

/// Address and port of the service, or else of the other end; what is not known is not filtered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Never a name: names are not looked up.
    pub host: Option<IpAddr>,
    pub port: Option<u16>,
}

impl Place {
    pub fn is_known(self) -> bool {
        self != Self::default()
    }

    /// The options of `tcpwatch rst` that show what happens at all of these places, an option's value in a word of its
    /// own.
    pub fn options<'a>(places: impl Iterator<Item = &'a Self> + Clone) -> Vec<String> {
        let hosts = all(places.clone().map(|place| place.host));
        let ports = all(places.map(|place| place.port));
        let host = hosts.map(|hosts| ["--host".to_owned(), hosts]);
        let port = ports.map(|ports| ["--port".to_owned(), ports]);
        host.into_iter().chain(port).flatten().collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host, self.port) {
            (Some(IpAddr::V6(host)), Some(port)) => write!(f, "[{host}]:{port}"),
            (Some(host), Some(port)) => write!(f, "{host}:{port}"),
            (Some(host), None) => write!(f, "{host}"),
            (None, Some(port)) => write!(f, "port {port}"),
            (None, None) => Ok(()),
        }
    }
}

/// One list of them, each once; `None` where one is not known, since a filter would hide it.
fn all<T: Ord + ToString>(values: impl Iterator<Item = Option<T>>) -> Option<String> {
    let values: BTreeSet<T> = values.collect::<Option<_>>()?;
    let words: Vec<_> = values.iter().map(ToString::to_string).collect();
    Some(words.join(",")).filter(|list| !list.is_empty())
}

/// The place a line names: by the words around it, or because it names one only.
pub(super) fn of(line: &str, side: Side) -> Place {
    // A proxy's line that names both sides and means one of them.
    if side == Side::Unsaid && first(&OF_CLIENTS, line).is_known() {
        return Place::default();
    }
    let named = if side == Side::Downstream { &*OF_CLIENTS } else { &*OF_SERVERS };
    let flow = || if side == Side::Downstream { None } else { service(&FLOW.captures(line)?) };
    let said = flow().unwrap_or_else(|| first(named, line));
    // Of a proxy's two sides a lone address may be the other.
    let lone = || if side == Side::Unsaid { only(line) } else { Place::default() };
    if said.is_known() { said } else { lone() }
}

fn first(named: &[Regex], line: &str) -> Place {
    named
        .iter()
        .find_map(|regex| regex.captures(line))
        .map(|found| place(&found))
        .unwrap_or_default()
}

/// Of the two ends of a connection the one with the service: the other, where this one dialled, else the lower port.
/// A service's port that cannot be told from a client's is not taken; the next connection has another.
fn service(found: &Captures<'_>) -> Option<Place> {
    let end = |host: &str, port: &str| {
        let host = found[host].trim_matches(['[', ']']).parse().ok()?;
        Some((found[port].parse::<u16>().ok()?, host))
    };
    let (here, there) = (end("here", "from")?, end("there", "to")?);
    let dialled = found.name("dial").is_some();
    let (port, host) = if dialled || there.0 <= here.0 { there } else { here };
    if dialled || port < EPHEMERAL {
        Some(Place { host: Some(host), port: Some(port) })
    } else {
        Some(Place { host: Some(there.1), port: None })
    }
}

/// Where the ports of clients begin (net.ipv4.ip_local_port_range, its default).
const EPHEMERAL: u16 = 32768;

/// Several places without a word to tell them apart are none.
fn only(line: &str) -> Place {
    let places = ANY.captures_iter(line).map(|found| place(&found));
    let mut places: Vec<_> = places.filter(|place| place.host.is_some()).collect();
    places.sort_unstable();
    places.dedup();
    match places.as_slice() {
        [place] => *place,
        _ => Place::default(),
    }
}

fn place(found: &Captures<'_>) -> Place {
    let part = |name| found.name(name).map(|part| part.as_str());
    if part("host") == Some("unix") {
        return Place::default();
    }
    let host = part("host").and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let host = host.filter(|host: &IpAddr| !host.is_unspecified());
    let scheme = part("scheme").and_then(default_port);
    Place { host, port: part("port").and_then(|port| port.parse().ok()).or(scheme) }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "grpc" => Some(80),
        "https" | "grpcs" => Some(443),
        _ => None,
    }
}

/// Most telling first.
static OF_SERVERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    compiled(&[
        // nginx: upstream: "http://10.0.0.5:8080/path"
        r#"upstream: "(?:(?P<scheme>[a-z]+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/"\[]+)(?::(?P<port>\d{1,5}))?"#,
        // An arrow from a name: shop:40000->10.0.0.5:8080
        r"->(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[]+):(?P<port>\d{1,5})\b",
        // Go: dial tcp 10.0.0.5:8080
        r"\bdial tcp[46]? (?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[]+):(?P<port>\d{1,5})\b",
        // Envoy: the first quoted address of an access log is the upstream's
        r#""(?:tcp://)?(?P<host>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})""#,
        // Python: HTTPConnectionPool(host='10.0.0.5', port=8080)
        r"host='(?P<host>[^']+)', port=(?P<port>\d{1,5})\b",
        // Node: address: '10.0.0.5', port: 8080
        r"address: '(?P<host>[^']+)',\s*port: (?P<port>\d{1,5})\b",
        // Node: connect ECONNREFUSED ::1:8080
        r"\bconnect E[A-Z]+ (?P<host>[0-9a-fA-F:.]+):(?P<port>\d{1,5})\b",
        // PostgreSQL: connection to server at "db" (10.0.0.5), port 5432 failed
        r"\((?P<host>[0-9a-fA-F:.]+)\),? port (?P<port>\d{1,5})\b",
        r#"at "(?P<host>[^"]+)",? port (?P<port>\d{1,5})\b"#,
        // ssh, curl: by 10.0.0.5 port 22, to shop port 80
        r"\b(?:by|to|with) (?P<host>\S+) port (?P<port>\d{1,5})\b",
        // curl: in connection to shop:443
        r"in connection to (?P<host>\S+):(?P<port>\d{1,5})\b",
        // Java: Connect to shop:8080 [shop/10.0.0.5] failed, shop/10.0.0.5:8080
        r"Connect to [^\s:]+:(?P<port>\d{1,5}) \[[^\]/]*/(?P<host>[0-9a-fA-F:.]+)\]",
        r"[\w.-]*/(?P<host>\d{1,3}(?:\.\d{1,3}){3}):(?P<port>\d{1,5})\b",
    ])
});

static OF_CLIENTS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    compiled(&[
        // nginx
        r"\bclient: (?P<host>[0-9a-fA-F:.]+)",
        r"\bclient (?P<host>[0-9a-fA-F:.]+) closed",
        // HAProxy: the client comes first
        r"\bhaproxy\[\d+\]: (?P<host>[0-9a-fA-F:.]+):\d{1,5} \[",
    ])
});

/// Go: both ends of a connection, this one first; read tcp 10.0.0.9:40000->10.0.0.5:8080
static FLOW: LazyLock<Regex> = LazyLock::new(|| {
    let host = r"\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]";
    let (here, there) = (
        format!(r"(?P<here>{host}):(?P<from>\d{{1,5}})"),
        format!(r"(?P<there>{host}):(?P<to>\d{{1,5}})\b"),
    );
    let regex = format!(r"(?P<dial>\bdial tcp[46]? )?{here}->{there}");
    Regex::new(&regex).expect("the patterns are tested")
});

/// An address with its port. An IPv4 address alone is too often something else.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let v4 = r"\d{1,3}(?:\.\d{1,3}){3}";
    let regex = format!(r"(?:^|[^\w.:])(?P<host>{v4}|\[[0-9a-fA-F:.]+\]):(?P<port>\d{{1,5}})\b");
    Regex::new(&regex).expect("the patterns are tested")
});

fn compiled(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|pattern| Regex::new(pattern).expect("the patterns are tested")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(line: &str) -> String {
        of(line, Side::Upstream).to_string()
    }

    #[test]
    fn the_words_around_an_address_tell_whose_it_is() {
        let lines = [
            (
                r#"client: 10.0.0.9, server: shop, upstream: "http://10.0.0.5:8080/cart", host: "shop""#,
                "10.0.0.5:8080",
            ),
            (r#"upstream: "https://10.0.0.5/cart""#, "10.0.0.5:443"),
            (r#"upstream: "fastcgi://[fd00::5]:9000""#, "[fd00::5]:9000"),
            (r#"upstream: "10.0.0.5:5432", bytes from/to client"#, "10.0.0.5:5432"),
            ("read tcp 10.0.0.9:40000->10.0.0.5:8080: read", "10.0.0.5:8080"),
            ("dial tcp [fd00::5]:8080: connect", "[fd00::5]:8080"),
            ("dial tcp shop.svc:8080: connect", "port 8080"),
            ("HTTPConnectionPool(host='shop', port=8080): Max retries", "port 8080"),
            ("connect ECONNREFUSED ::1:8080", "[::1]:8080"),
            (r#"connection to server at "db" (10.0.0.5), port 5432 failed"#, "10.0.0.5:5432"),
            ("Connect to shop:8080 [shop/10.0.0.5] failed", "10.0.0.5:8080"),
            ("shop/10.0.0.5:8080", "10.0.0.5:8080"),
        ];
        for (line, expected) in lines {
            assert_eq!(upstream(line), expected, "{line}");
        }
    }

    #[test]
    fn of_two_ends_the_one_with_the_service_is_named() {
        let lines = [
            ("read tcp 10.0.0.5:443->10.0.0.9:51512: read", "10.0.0.5:443"),
            ("read tcp 10.0.0.9:51512->10.0.0.5:443: read", "10.0.0.5:443"),
            ("write tcp [fd00::5]:8080->[fd00::9]:51512: write", "[fd00::5]:8080"),
            ("read tcp 10.0.0.9:40000->10.0.0.5:50051: read", "10.0.0.5"),
            ("read tcp 10.0.0.5:50051->10.0.0.9:40000: read", "10.0.0.9"),
            ("dial tcp 10.0.0.9:40000->10.0.0.5:50051: connect", "10.0.0.5:50051"),
            ("read tcp 10.0.0.9:443->10.0.0.5:99999: read", "10.0.0.5"),
        ];
        for (line, expected) in lines {
            assert_eq!(of(line, Side::Unsaid).to_string(), expected, "{line}");
        }
    }

    #[test]
    fn a_downstream_line_names_the_client() {
        let line = r#"client: 203.0.113.7, server: shop, upstream: "http://10.0.0.5:8080/""#;
        assert_eq!(of(line, Side::Downstream).to_string(), "203.0.113.7");
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_taken() {
        let unsaid = |line| of(line, Side::Unsaid).to_string();
        assert_eq!(unsaid("10.0.0.9:40000 10.0.0.5:8080 reset"), "");
        assert_eq!(upstream(r#"upstream: "http://unix:/run/app.sock:/""#), "");
        assert_eq!(unsaid("version 1.2.3.4, port:99999, 300.1.1.1:80"), "");
        assert_eq!(upstream("10.0.0.5:8080"), "");
        assert_eq!(unsaid(r#"client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#), "");
        assert_eq!(unsaid("client: dial tcp 10.0.0.5:8080: connect"), "10.0.0.5:8080");
        assert_eq!(unsaid("10.0.0.5:8080 and again 10.0.0.5:8080"), "10.0.0.5:8080");
    }

    #[test]
    fn a_place_becomes_options() {
        let place = |host: &str, port| Place { host: host.parse().ok(), port };
        let options = |places: &[Place]| Place::options(places.iter()).join(" ");
        assert_eq!(options(&[place("fd00::5", Some(80))]), "--host fd00::5 --port 80");
        let two = [place("10.0.0.5", Some(80)), place("10.0.0.6", Some(80))];
        assert_eq!(options(&two), "--host 10.0.0.5,10.0.0.6 --port 80");
        assert_eq!(options(&[place("10.0.0.5", Some(80)), place("shop", Some(80))]), "--port 80");
        assert_eq!(options(&[place("10.0.0.5", None), Place::default()]), "");
        assert_eq!(options(&[]), "");
    }
}
