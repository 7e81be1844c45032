//! `story.md`: for people. What happened comes once from the scenario's doc comment and is theirs to better; below a
//! mark stands what the recordings say of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tcpwatch::event::{CountersRead, CoverageDeclared, Event, HookCoverage, NetNs};
use tcpwatch::explain::verdict::Totals;

use crate::Outcome;
use crate::diff::expect;
use crate::incident::{Incident, Recorded, Story};
use crate::replay::judge;

pub(crate) fn is_told(story: &Story) -> Outcome {
    let file = story.folder.join("story.md");
    let head = match fs::read_to_string(&file).ok().and_then(|text| head(&text)) {
        Some(head) => head,
        None => first_head(story)?,
    };
    let mut text = format!("{head}{MARK}\n");
    for incident in &story.incidents {
        text.push_str(&facts(incident)?);
    }
    expect(&file, &text)
}

const MARK: &str = "<!-- From here on written by BLESS=1 from the recordings. -->";

/// What a person may have written.
fn head(text: &str) -> Option<String> {
    text.split_once(MARK).map(|(head, _)| head.to_owned())
}

fn first_head(story: &Story) -> Result<String, String> {
    let (family, sentence) = story.name.split_once("::").unwrap_or(("", &story.name));
    let title = format!("# {}", sentence.replace('_', " "));
    let told = doc_comment(family, sentence)?;
    Ok(format!(
        "{title}\n\n{told}\n\nScenario `{}`, see tests/scenarios/{family}.rs.\n\n",
        story.name
    ))
}

/// The lines above the scenario's function.
fn doc_comment(family: &str, sentence: &str) -> Result<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{family}.rs"));
    let source =
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines: Vec<_> = source.lines().collect();
    let function = format!("fn {sentence}(");
    let begins =
        |line: &&str| line.strip_prefix("pub(crate) ").unwrap_or(line).starts_with(&function);
    let at = lines.iter().position(begins);
    let above = lines[..at.unwrap_or(0)].iter().rev();
    let mut told: Vec<_> =
        above.map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    told.reverse();
    if told.is_empty() {
        return Err(format!(
            "say what happens in a doc comment above {sentence} in {}",
            file.display()
        ));
    }
    Ok(told.join("\n"))
}

fn facts(incident: &Incident) -> Result<String, String> {
    let Recorded { events, account } = incident.read()?;
    let recorded = events.first().and_then(|first| recorded(first, &events));
    let hooks = events.iter().find_map(coverage).map(|told| listed(told.hooks.iter().map(hook)));
    let hooks = hooks.map(|hooks| format!("Hooks: {hooks}"));
    let verdicts = verdicts(&judge(events.iter().cloned()).totals, account.lost);
    let lines = recorded.into_iter().chain(hooks).chain([verdicts]).chain(growths(&events));
    let head = format!("\n## {}\n\n", incident.place());
    Ok(lines.fold(head, |text, line| format!("{text}* {line}.\n")))
}

fn recorded(first: &Event, events: &[Event]) -> Option<String> {
    let Event::HostDescribed(host) = first else { return None };
    let last = events.iter().map(Event::time).max()?;
    let (count, seconds) = (events.len(), last.since(host.time).as_secs_f64());
    let at = jiff::Timestamp::from_nanosecond(host.wall.into()).ok()?.strftime("%Y-%m-%d");
    let (kernel, version) = (&host.kernel, &host.version);
    Some(format!(
        "Recorded {at} on {kernel} by tcpwatch {version}; {count} events in {seconds:.1} s"
    ))
}

fn verdicts(totals: &Totals, lost: u64) -> String {
    let (explained, unexplained) = (totals.explained, totals.unexplained);
    let causes = listed(totals.causes.iter().map(|(code, count)| format!("{code} {count}")));
    let causes = if causes.is_empty() { causes } else { format!(" ({causes})") };
    format!("Explained {explained}{causes}, unexplained {unexplained}, lost {lost}")
}

fn coverage(event: &Event) -> Option<&CoverageDeclared> {
    match event {
        Event::CoverageDeclared(coverage) => Some(coverage),
        _ => None,
    }
}

fn hook(hook: &HookCoverage) -> String {
    let blind = if hook.blind.is_empty() { String::new() } else { format!(" ({})", hook.blind) };
    match hook.way {
        Some(way) => format!("{} by {way}{blind}", hook.fact),
        None => format!("{} not at all{blind}", hook.fact),
    }
}

/// What the kernel's counters did between the first and the last time they were read, by namespace; none where
/// nothing moved. In a namespace that appeared during the run they began at zero.
fn growths(events: &[Event]) -> Vec<String> {
    let mut names: BTreeMap<NetNs, String> = BTreeMap::new();
    let mut read: BTreeMap<NetNs, (Counts, Counts)> = BTreeMap::new();
    for event in events {
        match event {
            Event::NamespaceDescribed(told) => {
                let name = told.name.clone().unwrap_or_else(|| told.netns.to_string());
                names.insert(told.netns, name);
                if told.appeared {
                    read.insert(told.netns, Default::default());
                }
            }
            Event::CountersRead(now) => {
                let counts = counts(now);
                read.entry(now.netns).or_insert((counts, counts)).1 = counts;
            }
            _ => {}
        }
    }
    let grown = read.iter().map(|(netns, (first, last))| (names.get(netns), growth(first, last)));
    grown.filter_map(|(name, growth)| Some(format!("Counters of {}: {}", name?, growth?))).collect()
}

type Counts = [u64; 6];

/// In the order of [`COUNTERS`].
fn counts(read: &CountersRead) -> Counts {
    [
        read.out_rsts,
        read.estab_resets,
        read.attempt_fails,
        read.listen_overflows,
        read.listen_drops,
        read.syncookies_failed,
    ]
}

const COUNTERS: [&str; 6] = [
    "OutRsts",
    "EstabResets",
    "AttemptFails",
    "ListenOverflows",
    "ListenDrops",
    "SyncookiesFailed",
];

fn growth(first: &Counts, last: &Counts) -> Option<String> {
    let grown =
        COUNTERS.into_iter().zip(first.iter().zip(last)).filter_map(|(name, (first, last))| {
            let grown = last.checked_sub(*first).filter(|grown| *grown > 0)?;
            Some(format!("{name} +{grown}"))
        });
    Some(listed(grown)).filter(|text| !text.is_empty())
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
