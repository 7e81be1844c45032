//! What is left of a VM run: one table row per kernel, then what each kernel chose and skipped.

use super::protocol::Transcript;
use crate::counts::Counts;
use std::fmt;
use std::time::Duration;

/// One kernel's run.
pub(crate) struct Report {
    pub(crate) kernel: String,
    pub(crate) version: String,
    pub(crate) counts: Counts,
    pub(crate) took: Duration,
    pub(crate) retried: bool,
    pub(crate) hooks: Vec<String>,
    pub(crate) skips: Vec<String>,
    pub(crate) told: Vec<String>,
    pub(crate) open: Vec<String>,
}

impl Report {
    /// From a run that reached its end.
    pub(crate) fn new(
        kernel: &str,
        version: &str,
        transcript: Transcript,
        took: Duration,
        retried: bool,
    ) -> Self {
        let counts = transcript.counts().unwrap_or_default();
        let (kernel, version) = (kernel.to_owned(), version.to_owned());
        let Transcript { hooks, skips, told, open, .. } = transcript;
        Self { kernel, version, counts, took, retried, hooks, skips, told, open }
    }

    /// From a run that did not.
    pub(crate) fn broken(kernel: &str, took: Duration) -> Self {
        let counts = Counts::default().at_least_one_failed();
        let (kernel, version) = (kernel.to_owned(), "no result, see above".to_owned());
        let [hooks, skips, told, open] = [const { Vec::new() }; 4];
        Self { kernel, version, counts, took, retried: false, hooks, skips, told, open }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { passed, failed, skipped } = self.counts;
        let result = if failed == 0 { "ok" } else { "FAILED" };
        let (kernel, secs, version) = (&self.kernel, self.took.as_secs_f64(), &self.version);
        write!(
            f,
            "{kernel:<8} {result:<7} {passed:>6} {failed:>6} {skipped:>7} {secs:>7.1}  {version}"
        )?;
        if self.retried {
            f.write_str(" (second boot: the first died before our code ran)")
        } else {
            Ok(())
        }
    }
}

/// Prints the table, then hooks and skips by kernel.
pub(crate) fn print(reports: &[Report]) {
    if reports.is_empty() {
        return;
    }
    println!(
        "\n{:<8} {:<7} {:>6} {:>6} {:>7} {:>7}  version",
        "kernel", "result", "passed", "failed", "skipped", "secs"
    );
    for report in reports {
        println!("{report}");
    }
    section("ways chosen per hook", reports, |report| &report.hooks);
    section("skipped scenarios", reports, |report| &report.skips);
}

fn section(title: &str, reports: &[Report], lines: impl Fn(&Report) -> &Vec<String>) {
    if reports.iter().all(|report| lines(report).is_empty()) {
        return;
    }
    println!("\n{title}");
    for report in reports {
        for line in lines(report) {
            println!("  {:<8} {line}", report.kernel);
        }
    }
}
