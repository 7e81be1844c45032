//! Addresses and names replaced, the same by the same throughout one recording. What happened stays.
//!
//! Works on the JSON of a line, and fails closed: a text that is not known to be harmless is replaced.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Context;
use ipcrypt_rs::IpcryptPfx;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event::Workload;

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Public addresses.
    Public,
    /// All addresses but loopback and multicast, and all names.
    All,
}

/// Replaces addresses and names.
pub struct Anonymizer {
    level: Level,
    addresses: IpcryptPfx,
    /// Without it, names could be found by trying.
    key: [u8; 32],
    known: HashMap<String, String>,
    /// What stood for what, for those who may know.
    mapping: Option<File>,
}

impl Anonymizer {
    /// With a key nobody knows. What is replaced by what goes to `mapping`, if there is one.
    pub fn new(level: Level, mapping: Option<File>) -> anyhow::Result<Self> {
        let (mut addresses, mut key) = ([0; IpcryptPfx::KEY_BYTES], [0; 32]);
        for secret in [&mut addresses, &mut key] {
            getrandom::fill(secret).context("cannot get random numbers from the system")?;
        }
        let (addresses, known) = (IpcryptPfx::new(addresses), HashMap::new());
        Ok(Self { level, addresses, key, known, mapping })
    }

    /// The same thing without its addresses and names.
    pub fn replace<T: Serialize + DeserializeOwned>(&mut self, told: &T) -> anyhow::Result<T> {
        let mut value = serde_json::to_value(told)?;
        self.walk("", &mut value)?;
        serde_json::from_value(value).context("cannot be made anonymous. Please report this")
    }

    fn walk(&mut self, key: &str, value: &mut Value) -> anyhow::Result<()> {
        match value {
            Value::String(text) => *text = self.text(key, text)?,
            Value::Array(values) => {
                values.iter_mut().try_for_each(|value| self.walk(key, value))?;
            }
            Value::Object(fields) => {
                let fields =
                    fields.iter_mut().filter(|(key, _)| !KEPT_WHOLE.contains(&key.as_str()));
                for (key, value) in fields {
                    self.walk(key, value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    fn text(&mut self, key: &str, text: &str) -> anyhow::Result<String> {
        if KEPT.contains(&key) {
            return Ok(text.to_owned());
        }
        if let Some(known) = self.known.get(text) {
            return Ok(known.clone());
        }
        let replaced = match text.parse() {
            Ok(addr) => self.address(addr).to_string(),
            Err(_) if self.level == Level::Public => text.to_owned(),
            Err(_) if text.starts_with(HEX) => format!("{HEX}{:x}", self.number(text)),
            Err(_) if key == CGROUP => self.path(text),
            Err(_) if key == UID => self.digits(text),
            Err(_) => self.name(text),
        };
        self.remember(text, &replaced)?;
        Ok(replaced)
    }

    fn remember(&mut self, text: &str, replaced: &str) -> anyhow::Result<()> {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), replaced.to_owned());
        if let Some(mapping) = self.mapping.as_mut().filter(|_| text != replaced) {
            let line = format!("{}\n", json!({ "was": text, "is": replaced }));
            mapping.write_all(line.as_bytes()).context("cannot write the mapping")?;
        }
        Ok(())
    }

    /// A private address becomes another one of the same network, so that it still looks like what it is.
    fn address(&self, addr: IpAddr) -> IpAddr {
        if let IpAddr::V6(v6) = addr
            && let Some(v4) = v6.to_ipv4_mapped()
            && let IpAddr::V4(replaced) = self.address(v4.into())
        {
            return replaced.to_ipv6_mapped().into();
        }
        match block(addr) {
            Block::Kept => addr,
            Block::Private(_) if self.level == Level::Public => addr,
            Block::Private(prefix) => within(addr, prefix, self.addresses.encrypt_ipaddr(addr)),
            Block::Public => self.public(addr),
        }
    }

    /// Encrypted until it is public again: the images of the other networks are free, because those stay in
    /// themselves.
    fn public(&self, addr: IpAddr) -> IpAddr {
        let mut addr = self.addresses.encrypt_ipaddr(addr);
        while block(addr) != Block::Public {
            addr = self.addresses.encrypt_ipaddr(addr);
        }
        addr
    }

    /// Equal parents stay equal. What is a pod or a container stays one, of another uid and another id; its units
    /// and the layout of the host's own cgroups go.
    fn path(&self, path: &str) -> String {
        let mut workload = Workload::of(path);
        let uid = workload.pod.as_mut().map(|pod| &mut pod.uid);
        let id = workload.container.as_mut().map(|container| &mut container.id);
        for digits in uid.into_iter().chain(id) {
            *digits = self.digits(digits);
        }
        workload.path().unwrap_or_else(|| self.names(path))
    }

    fn names(&self, path: &str) -> String {
        let name = |part: &str| if part.is_empty() { String::new() } else { self.name(part) };
        path.split('/').map(name).collect::<Vec<_>>().join("/")
    }

    fn name(&self, name: &str) -> String {
        format!("x{:012x}", self.number(name))
    }

    /// 48 bits: enough for no two names of a host to meet.
    fn number(&self, text: &str) -> u64 {
        self.digest(text).iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Other hexadecimal digits, and dashes where they were; for up to 64 digits.
    fn digits(&self, text: &str) -> String {
        let digest = self.digest(text).into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut digits = digest.filter_map(|digit| char::from_digit(digit.into(), 16));
        let other = |digit| if digit == '-' { Some('-') } else { digits.next() };
        text.chars().filter_map(other).collect()
    }

    fn digest(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.key).chain_update(text).finalize().into()
    }
}

/// What may happen to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// It says what it is for, not whose it is.
    Kept,
    /// Private or link-local, with the length of the prefix that says so.
    Private(u32),
    Public,
}

fn block(addr: IpAddr) -> Block {
    match addr {
        IpAddr::V4(v4) => block_v4(v4),
        IpAddr::V6(v6) => block_v6(v6),
    }
}

/// RFC 6890, and RFC 6598 for carriers.
fn block_v4(addr: Ipv4Addr) -> Block {
    match addr.octets() {
        [0 | 127 | 224..=255, ..] => Block::Kept,
        [10, ..] => Block::Private(8),
        [100, 64..=127, ..] => Block::Private(10),
        [169, 254, ..] | [192, 168, ..] => Block::Private(16),
        [172, 16..=31, ..] => Block::Private(12),
        _ => Block::Public,
    }
}

fn block_v6(addr: Ipv6Addr) -> Block {
    match addr.segments() {
        [0 | 0xff00..=0xffff, ..] => Block::Kept,
        [0xfc00..=0xfdff, ..] => Block::Private(7),
        [0xfe80..=0xfebf, ..] => Block::Private(10),
        _ => Block::Public,
    }
}

/// The first `prefix` bits of one, the rest of the other.
fn within(addr: IpAddr, prefix: u32, other: IpAddr) -> IpAddr {
    match (addr, other) {
        (IpAddr::V4(addr), IpAddr::V4(other)) => {
            let rest = u32::MAX >> prefix;
            Ipv4Addr::from_bits(addr.to_bits() & !rest | other.to_bits() & rest).into()
        }
        (IpAddr::V6(addr), IpAddr::V6(other)) => {
            let rest = u128::MAX >> prefix;
            Ipv6Addr::from_bits(addr.to_bits() & !rest | other.to_bits() & rest).into()
        }
        // The cipher keeps the family, but for IPv6 that looks like IPv4: one of 2^96.
        (addr, _) => addr,
    }
}

const CGROUP: &str = "cgroup";
/// Of a pod: the same as in its cgroup.
const UID: &str = "uid";

/// Kernel addresses begin so; where the kernel's memory is, is nobody's business either.
const HEX: &str = "0x";

/// Below these names nothing is replaced: facts of the kernel.
const KEPT_WHOLE: &[&str] = &["sysctls"];

/// Texts that are words of the kernel's or ours, or times.
const KEPT: &[&str] = &[
    "type",
    "time",
    "wall",
    "since",
    "started",
    "until",
    "kernel",
    "version",
    "fact",
    "stage",
    "hook",
    "way",
    "failed",
    "blind",
    "kind",
    "state",
    "substate",
    "file",
    "reason",
    "tracking",
    "ack",
    "death",
    "direction",
    "family",
];

/// Texts remembered; more are worked out again, with the same result.
const MOST_KNOWN: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::recording::samples::told_of_every_kind;

    fn anonymizer(level: Level) -> Anonymizer {
        Anonymizer::new(level, None).unwrap()
    }

    fn replaced(anonymizer: &Anonymizer, addr: &str) -> String {
        anonymizer.address(addr.parse().unwrap()).to_string()
    }

    fn common_bits(one: &str, other: &str) -> u32 {
        let bits = |addr: &str| match addr.parse().unwrap() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        (bits(one) ^ bits(other)).leading_zeros()
    }

    #[test]
    fn common_prefixes_stay_common() {
        let anonymizer = anonymizer(Level::All);
        for (one, other) in [
            ("10.1.2.3", "10.1.2.77"),
            ("10.1.2.3", "10.200.0.1"),
            ("203.0.113.5", "203.0.113.6"),
            ("203.0.113.5", "203.200.1.1"),
            ("fd00::1", "fd00::2"),
            ("2001:db8::1", "2001:db8:1::1"),
        ] {
            let (new_one, new_other) = (replaced(&anonymizer, one), replaced(&anonymizer, other));
            assert_eq!(common_bits(&new_one, &new_other), common_bits(one, other), "{one} {other}");
        }
    }

    #[test]
    fn an_address_stays_of_its_kind() {
        let anonymizer = anonymizer(Level::All);
        for kept in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"]
        {
            assert_eq!(replaced(&anonymizer, kept), kept);
        }
        for addr in [
            "10.1.2.3",
            "192.168.0.7",
            "172.16.5.5",
            "100.64.1.1",
            "169.254.1.1",
            "fe80::1",
            "fd00::1",
            "203.0.113.5",
            "2001:db8::1",
        ] {
            let addr: IpAddr = addr.parse().unwrap();
            assert_eq!(block(anonymizer.address(addr)), block(addr), "{addr}");
        }
        assert!(replaced(&anonymizer, "::ffff:10.0.0.1").starts_with("::ffff:10."));
    }

    #[test]
    fn different_addresses_stay_different() {
        let anonymizer = anonymizer(Level::All);
        let addresses = (0..=u8::MAX).map(|first| IpAddr::from([first, 7, 7, 7]));
        let replaced = addresses.map(|addr| anonymizer.address(addr));
        assert_eq!(replaced.collect::<std::collections::HashSet<_>>().len(), 256);
    }

    #[test]
    fn private_addresses_and_names_stay_where_only_public_ones_are_secret() {
        let mut anonymizer = anonymizer(Level::Public);
        assert_eq!(replaced(&anonymizer, "10.1.2.3"), "10.1.2.3");
        assert_ne!(replaced(&anonymizer, "203.0.113.5"), "203.0.113.5");
        assert_eq!(anonymizer.text("command", "nginx").unwrap(), "nginx");
    }

    #[test]
    fn cgroups_keep_their_tree() {
        let anonymizer = anonymizer(Level::All);
        let (one, other) = (anonymizer.path("/kube/pod1/c1"), anonymizer.path("/kube/pod1/c2"));
        let parent = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
        assert_eq!(parent(&one), parent(&other));
        assert!(one.starts_with('/') && one != other && !one.contains("pod"), "{one}");
    }

    #[test]
    fn a_container_stays_one_and_is_another() {
        let anonymizer = anonymizer(Level::All);
        let id = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";
        let pod = "kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice";
        let was = format!("/shop.slice/{pod}/cri-containerd-{id}.scope");
        let is = anonymizer.path(&was);
        let (was, parsed) = (Workload::of(&was), Workload::of(&is));
        let (was_pod, pod) = (was.pod.unwrap(), parsed.pod.unwrap());
        assert!(pod.qos == was_pod.qos && pod.uid != was_pod.uid);
        let (was, container) = (was.container.unwrap(), parsed.container.unwrap());
        assert!(container.runtime == was.runtime && container.id != was.id);
        assert!(!is.contains("shop"), "{is}");
    }

    #[test]
    fn every_event_survives_without_what_was_secret() {
        let mut anonymizer = anonymizer(Level::All);
        for event in told_of_every_kind() {
            let replaced: Event = anonymizer.replace(&event).unwrap();
            assert_eq!(replaced.time(), event.time());
            let (was, is) = (texts(&event), texts(&replaced));
            assert_eq!(was.len(), is.len());
            for ((key, was), (_, is)) in was.iter().zip(&is).filter(|(was, is)| was.1 == is.1) {
                assert!(is_harmless(key, was), "{key} = {was} is still {is}");
            }
        }
    }

    /// Every text below the event, with its key.
    fn texts(event: &Event) -> Vec<(String, String)> {
        fn walk(key: &str, value: &Value, texts: &mut Vec<(String, String)>) {
            match value {
                Value::String(text) => texts.push((key.into(), text.clone())),
                Value::Array(values) => values.iter().for_each(|value| walk(key, value, texts)),
                Value::Object(fields) => {
                    let fields = fields.iter().filter(|(key, _)| *key != "sysctls");
                    fields.for_each(|(key, value)| walk(key, value, texts));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk("", &serde_json::to_value(event).unwrap(), &mut found);
        found
    }

    /// What may stay, said once more: words that are the same on every host, times, and addresses that are nobody's.
    fn is_harmless(key: &str, text: &str) -> bool {
        let word = [
            "type",
            "fact",
            "stage",
            "way",
            "kind",
            "state",
            "substate",
            "file",
            "reason",
            "tracking",
            "ack",
            "death",
            "direction",
            "family",
        ];
        let sentence = ["hook", "failed", "blind", "kernel", "version"];
        let time = ["time", "wall", "since", "started", "until"];
        let nobodys = text.parse().is_ok_and(|addr: IpAddr| block(addr) == Block::Kept);
        nobodys || word.contains(&key) || sentence.contains(&key) || time.contains(&key)
    }
}
