//! `docs/coverage.md`: which causes were told on which kernel, and what could not be told there.

use super::report::Report;
use crate::paths;
use crate::step::Steps;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const HEAD: &str = "\
# What is explained on which kernel

Made by `cargo xtask test --report docs/coverage.md`: all scenarios of `tests/scenarios` run on each kernel, and these are
the verdicts they got. Each is compared with what was done to the connection; a verdict that does not fit fails the run,
so none here is wrong. Where no verdict names a cause on a kernel, the lists below say what that kernel could not run, and
what was not to be seen there.
";

/// Writes the page, if it is wanted.
pub(crate) fn keep(steps: &mut Steps, file: Option<&Path>, reports: &[Report]) {
    if let Some(file) = file {
        steps.run("report", "cargo xtask test --report FILE", || write(file, reports));
    }
}

fn write(file: &Path, reports: &[Report]) -> Result<()> {
    let codes = codes()?;
    fs::write(file, page(&codes, reports))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Every cause has a file of its own, named after its code.
fn codes() -> Result<BTreeSet<String>> {
    let folder = paths::root().join("tcpwatch/src/explain/cause");
    let files =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let stems =
        files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.replace('_', "-")));
    Ok(stems.filter(|stem| stem != "mod").collect())
}

fn page(codes: &BTreeSet<String>, reports: &[Report]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "\n## Verdicts\n");
    row(&mut page, "cause", reports, |report| report.kernel.clone());
    row(&mut page, "---", reports, |_| "--:".to_owned());
    for code in codes {
        row(&mut page, code, reports, |report| told(report, code));
    }
    row(&mut page, "unexplained", reports, |report| unexplained(report).to_string());
    section(&mut page, "Seen by", reports, |report| report.hooks.clone());
    section(&mut page, "Unexplained, and what was missing", reports, |report| {
        report.open.iter().filter_map(|line| open(line)).collect()
    });
    section(&mut page, "Scenarios that could not run", reports, |report| report.skips.clone());
    page
}

fn row(page: &mut String, head: &str, reports: &[Report], cell: impl Fn(&Report) -> String) {
    let cells: Vec<_> = reports.iter().map(cell).collect();
    let _ = writeln!(page, "| {head} | {} |", cells.join(" | "));
}

fn told(report: &Report, code: &str) -> String {
    let counts = report.told.iter().filter_map(|line| line.rsplit_once(' '));
    let count = counts.filter(|(told, _)| *told == code).map(|(_, count)| count).next();
    count.unwrap_or("–").to_owned()
}

fn unexplained(report: &Report) -> u64 {
    let counts = report.open.iter().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
    counts.sum()
}

/// `MECHANISM COUNT MISSING`, for people.
fn open(line: &str) -> Option<String> {
    let (mechanism, rest) = line.split_once(' ')?;
    let (count, missing) = rest.split_once(' ')?;
    Some(format!("{count} × {mechanism}: {missing}"))
}

fn section(
    page: &mut String,
    title: &str,
    reports: &[Report],
    lines: impl Fn(&Report) -> Vec<String>,
) {
    let _ = writeln!(page, "\n## {title}");
    for report in reports {
        let _ = writeln!(page, "\n{} ({}):\n", report.kernel, report.version);
        let lines = lines(report);
        let none = lines.is_empty().then(|| "none".to_owned());
        for line in lines.into_iter().chain(none) {
            let _ = writeln!(page, "* {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::vm::protocol::Transcript;
    use crate::vm::report::Report;
    use std::time::Duration;

    #[test]
    fn a_cause_that_was_not_told_has_no_number() {
        let mut transcript = Transcript::default();
        for line in ["TCPWATCH-VM-TOLD scan 3", "TCPWATCH-VM-OPEN from-peer 2 the sender"] {
            transcript.see(line);
        }
        let report = Report::new("6.1", "6.1.0-1", transcript, Duration::ZERO, false);
        let page = page(&["probe".to_owned(), "scan".to_owned()].into(), &[report]);
        for line in
            ["| probe | – |", "| scan | 3 |", "| unexplained | 2 |", "* 2 × from-peer: the sender"]
        {
            assert!(page.contains(line), "{page}");
        }
    }
}
