//! `cargo xtask record-incident FILTER`: scenarios run in guests, recorded, and kept under `tests/incidents`.
//!
//! Only guests: a recording holds what happened on the whole machine, and in a guest nothing happens but the scenario.

use crate::counts::Counts;
use crate::step::Steps;
use crate::vm::{self, Recording};
use crate::{paths, sh};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Component, Path};
use std::str::FromStr;

/// Kernels and ways whose events differ. 5.10: resets received without their packet. 6.1: no reasons for resets, an
/// overflow by kprobe. 7.2: reasons. Led away from functions, 7.2 sees what a locked-down kernel without kprobes sees.
/// IPv6 has functions of its own to hook, and is kept from one kernel.
const TIERS: &[(&str, &[&str])] =
    &[("5.10", &["v4"]), ("6.1", BOTH), ("7.2", &["v4"]), ("7.2:tracepoint", &["v4"])];

const BOTH: &[&str] = &["v4", "v6"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenarios whose name contains this
    filter: String,
    /// Only on these: 6.1, or 7.2:tracepoint to see what a kernel shows by that way alone
    #[arg(long = "kernel", value_name = "KERNEL[:WAY]", num_args = 1..)]
    tiers: Vec<Tier>,
}

/// A kernel, and which ways of attaching are left to tcpwatch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tier {
    /// As the user says it.
    name: String,
    kernel: String,
    avoid: &'static str,
    /// Kept are scenarios over these.
    families: &'static [&'static str],
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kernel, way) = text.split_once(':').unwrap_or((text, "fentry"));
        let avoid = match way {
            "fentry" => "",
            "kprobe" => "fentry",
            "tracepoint" => "fentry,kprobe",
            _ => return Err("a way is fentry, kprobe or tracepoint".to_owned()),
        };
        let (name, kernel) = (text.to_owned(), kernel.to_owned());
        Ok(Self { name, kernel, avoid, families: BOTH })
    }
}

impl Tier {
    /// `FAMILY/SENTENCE/v4-6.1-fentry`
    fn keeps(&self, place: &Path) -> bool {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        self.families.iter().any(|ip| name.split('-').next() == Some(ip))
    }
}

/// The verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    let tiers = if args.tiers.is_empty() { all_tiers()? } else { args.tiers.clone() };
    for tier in tiers {
        record(&mut steps, &tier, &args.filter);
    }
    let again =
        format!("BLESS=1 cargo test --package tcpwatch-tests --test incidents {}", args.filter);
    steps.run("verdicts", &again, || bless(&args.filter));
    steps.finish()
}

fn all_tiers() -> Result<Vec<Tier>> {
    let tier = |(name, families): &(&str, &'static [&'static str])| {
        let tier: Tier = name.parse().map_err(anyhow::Error::msg)?;
        Ok(Tier { families, ..tier })
    };
    TIERS.iter().map(tier).collect()
}

fn record(steps: &mut Steps, tier: &Tier, filter: &str) {
    let to = paths::target().join("recordings.txt");
    // Of the boot before, should the next one fail early. It may not be there.
    let _ = fs::remove_file(&to);
    let recording = Recording { to: to.clone(), avoid: tier.avoid };
    let reports = vm::add(steps, &vm::Args::recorded(&tier.kernel, filter, recording));
    if !reports.is_empty() {
        let again = format!("cargo xtask record-incident {filter} --kernel {}", tier.name);
        steps.run("recordings", &again, || store(&to, tier));
    }
}

/// Verdicts and story beside each recording come from the test that compares them.
fn bless(filter: &str) -> Result<Counts> {
    let mut cargo = sh::cargo();
    cargo.env("BLESS", "1");
    cargo.args(["test", "--package", "tcpwatch-tests", "--test", "incidents", "--", filter]);
    sh::counted(&mut cargo)
}

fn store(delivered: &Path, tier: &Tier) -> Result<()> {
    let text = fs::read_to_string(delivered)
        .with_context(|| format!("the guest delivered nothing to {}", delivered.display()))?;
    for (place, lines) in parse(&text)?.iter().filter(|(place, _)| tier.keeps(place)) {
        let folder = paths::root().join("tests/incidents").join(place);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("recording.jsonl"), lines)?;
        println!("   {}", place.display());
    }
    Ok(())
}

/// The recordings in what a guest sent, by place; only if all have come.
fn parse(text: &str) -> Result<Vec<(&Path, String)>> {
    let mut recordings: Vec<(&Path, String)> = Vec::new();
    let mut sent = None;
    for line in text.lines() {
        if let Some(place) = line.strip_prefix("TCPWATCH-RECORDING ") {
            recordings.push((inside(place)?, String::new()));
        } else if let Some(count) = line.strip_prefix("TCPWATCH-RECORDED ") {
            sent = count.parse::<usize>().ok();
        } else if let Some((_, lines)) = recordings.last_mut() {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    let got = recordings.len();
    ensure!(sent == Some(got), "the guest did not deliver all its recordings; {got} have come");
    Ok(recordings)
}

/// A guest has no say in where on this machine its files go.
fn inside(place: &str) -> Result<&Path> {
    let path = Path::new(place);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if place.is_empty() || !plain {
        bail!("the guest names a place outside of tests/incidents: {place}");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::{Tier, all_tiers, inside, parse};
    use std::path::Path;

    #[test]
    fn a_way_leaves_out_the_better_ones() {
        let avoided = |text: &str| text.parse::<Tier>().map(|tier| tier.avoid);
        assert_eq!(avoided("6.1"), Ok(""));
        assert_eq!(avoided("6.1:kprobe"), Ok("fentry"));
        assert_eq!(avoided("7.2:tracepoint"), Ok("fentry,kprobe"));
        assert!(avoided("7.2:magic").is_err());
    }

    #[test]
    fn a_tier_keeps_its_families() {
        let (both, one): (Tier, _) = ("7.2".parse().unwrap(), all_tiers().unwrap().remove(0));
        let [v4, v6] = ["a/b/v4-7.2-fentry", "a/b/v6-7.2-fentry"].map(Path::new);
        assert!(both.keeps(v4) && both.keeps(v6));
        assert!(one.keeps(v4) && !one.keeps(v6));
    }

    #[test]
    fn recordings_are_told_apart() {
        let sent = "TCPWATCH-RECORDING a/b/c\r\n{1}\r\n{2}\r\nTCPWATCH-RECORDING a/b/d\r\n{3}\r\nTCPWATCH-RECORDED 2\r\n";
        let recordings = parse(sent).unwrap();
        let (c, d) = (Path::new("a/b/c"), Path::new("a/b/d"));
        assert_eq!(recordings, [(c, "{1}\n{2}\n".to_owned()), (d, "{3}\n".to_owned())]);
    }

    #[test]
    fn a_part_is_not_taken_for_the_whole() {
        assert!(parse("TCPWATCH-RECORDING a/b/c\n{1}\n").is_err());
        assert!(parse("TCPWATCH-RECORDING a/b/c\n{1}\nTCPWATCH-RECORDED 2\n").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn a_guest_cannot_write_elsewhere() {
        for place in ["../a", "/etc", "a/../../b", ""] {
            assert!(inside(place).is_err(), "{place}");
        }
    }
}
