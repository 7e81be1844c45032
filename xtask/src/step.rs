//! One step of a verb: its name, its time, and when it fails the command that repeats it alone.

use crate::counts::Counts;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// The steps done so far. A failed step does not stop the next one: one run shows all that is wrong.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

struct Done {
    name: String,
    again: String,
    took: Duration,
    failed: bool,
    counts: Counts,
}

impl Steps {
    /// Runs one step and prints how it went; `again` is the command that repeats it alone.
    /// Returns whether it went well, for steps that others build on.
    pub(crate) fn run<C: Into<Counts>>(
        &mut self,
        name: &str,
        again: &str,
        work: impl FnOnce() -> Result<C>,
    ) -> bool {
        println!("── {name}");
        let start = Instant::now();
        let (failed, counts) = judge(work());
        let done = Done {
            name: name.to_owned(),
            again: again.to_owned(),
            took: start.elapsed(),
            failed,
            counts,
        };
        println!("── {}", done.line());
        self.done.push(done);
        !failed
    }

    /// Prints the summary and, when tests were counted, their sum on a line of its own.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\nsummary");
        self.done.iter().for_each(|done| println!("  {}", done.line()));
        let mut sum = Counts::default();
        self.done.iter().for_each(|done| sum += done.counts);
        if !sum.is_empty() {
            println!("\n{sum}");
        }
        let failed = self.done.iter().filter(|done| done.failed).count();
        if failed > 0 {
            bail!(
                "{failed} of {} steps failed; each is repeated by the command above",
                self.done.len()
            );
        }
        Ok(())
    }
}

impl Done {
    fn line(&self) -> String {
        let secs = self.took.as_secs_f64();
        let counts =
            if self.counts.is_empty() { String::new() } else { format!(" ({})", self.counts) };
        let name = &self.name;
        if self.failed {
            format!("{name}: FAILED after {secs:.1} s{counts}; repeat: {}", self.again)
        } else {
            format!("{name}: ok, {secs:.1} s{counts}")
        }
    }
}

fn judge<C: Into<Counts>>(result: Result<C>) -> (bool, Counts) {
    match result.map(Into::into) {
        Ok(counts) => (counts.failed > 0, counts),
        Err(error) => {
            println!("   {error:#}");
            (true, Counts::default().at_least_one_failed())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Steps;
    use crate::counts::Counts;
    use anyhow::anyhow;

    #[test]
    fn a_failed_step_fails_the_whole_but_not_the_next_step() {
        let mut steps = Steps::default();
        assert!(!steps.run("one", "cargo one", || Err::<(), _>(anyhow!("broken"))));
        assert!(steps.run("two", "cargo two", || Ok(())));
        assert!(steps.finish().is_err());
    }

    #[test]
    fn failed_tests_fail_their_step() {
        let mut steps = Steps::default();
        assert!(
            !steps.run("tests", "cargo test", || Ok(Counts { failed: 1, ..Counts::default() }))
        );
    }
}
