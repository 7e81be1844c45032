//! What a scenario run says about itself, line by line; the same lines in a guest and natively.
//!
//! | line | meaning |
//! |---|---|
//! | `TCPWATCH-VM-BEGIN` | our code runs: from here on a crash is ours, not the emulator's |
//! | `TCPWATCH-VM-HOOK …` | which way was chosen for a hook |
//! | `TCPWATCH-VM-SKIP …` | a scenario this kernel cannot run, and why |
//! | `TCPWATCH-VM-TOLD …` | a cause, and how many verdicts named it |
//! | `TCPWATCH-VM-OPEN …` | a mechanism, how many verdicts found no cause, and what was missing first |
//! | `TCPWATCH-VM-RESULT ok\|fail P F S` | the end: passed, failed, skipped |

use crate::counts::Counts;

const MARK: &str = "TCPWATCH-VM-";

/// Everything learnt from the lines so far.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) begun: bool,
    pub(crate) hooks: Vec<String>,
    pub(crate) skips: Vec<String>,
    pub(crate) told: Vec<String>,
    pub(crate) open: Vec<String>,
    /// The kernel's own last words.
    pub(crate) panic: Option<String>,
    result: Option<Counts>,
    libtest: Option<Counts>,
}

impl Transcript {
    /// Takes note of one line.
    pub(crate) fn see(&mut self, line: &str) {
        if line.contains("Kernel panic - not syncing") {
            self.panic.get_or_insert_with(|| line.to_owned());
        }
        if let Some(counts) = Counts::from_libtest_line(line) {
            self.libtest = Some(counts);
        }
        // Messages of the kernel may have cut into the same line of the console.
        let Some((_, marked)) = line.split_once(MARK) else {
            return;
        };
        match marked.split_once(' ').unwrap_or((marked, "")) {
            ("BEGIN", _) => self.begun = true,
            ("HOOK", rest) => self.hooks.push(rest.to_owned()),
            ("SKIP", rest) => self.skips.push(rest.to_owned()),
            ("TOLD", rest) => self.told.push(rest.to_owned()),
            ("OPEN", rest) => self.open.push(rest.to_owned()),
            ("RESULT", rest) => self.result = parse_result(rest),
            _ => {}
        }
    }

    /// The run reached its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.result.is_some()
    }

    /// The counts: of the result line, else of libtest's summary; `None` when there is neither.
    pub(crate) fn counts(&self) -> Option<Counts> {
        self.result.or(self.libtest)
    }
}

/// `ok 12 0 3`; a `fail` that counts no failure (set-up broke) counts as one.
fn parse_result(rest: &str) -> Option<Counts> {
    let mut words = rest.split_whitespace();
    let verdict = words.next()?;
    let mut number = || words.next()?.parse().ok();
    let counts = Counts { passed: number()?, failed: number()?, skipped: number()? };
    match verdict {
        "ok" => Some(counts),
        "fail" => Some(counts.at_least_one_failed()),
        _ => None,
    }
}

/// A console line without carriage returns and the firmware's escape sequences.
pub(crate) fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut parts = text.trim_end().split('\x1b');
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        clean.push_str(&part[end..]);
    }
    clean.retain(|c| c == '\t' || !c.is_control());
    clean
}

#[cfg(test)]
mod tests {
    use super::{Transcript, clean};
    use crate::counts::Counts;

    fn transcript(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.see(line);
        }
        transcript
    }

    #[test]
    fn a_whole_run_is_understood() {
        let run = transcript(&[
            "TCPWATCH-VM-BEGIN",
            "TCPWATCH-VM-HOOK rst_sent fentry",
            "TCPWATCH-VM-SKIP ipvs: no module ip_vs",
            "TCPWATCH-VM-RESULT ok 12 0 1",
        ]);
        assert!(run.begun && run.is_finished());
        assert_eq!(run.hooks, ["rst_sent fentry"]);
        assert_eq!(run.skips, ["ipvs: no module ip_vs"]);
        assert_eq!(run.counts(), Some(Counts { passed: 12, failed: 0, skipped: 1 }));
    }

    #[test]
    fn a_failed_run_never_counts_zero_failures() {
        let run = transcript(&["TCPWATCH-VM-RESULT fail 3 0 0"]);
        assert_eq!(run.counts(), Some(Counts { passed: 3, failed: 1, skipped: 0 }));
    }

    #[test]
    fn a_garbled_result_is_no_result() {
        assert!(!transcript(&["TCPWATCH-VM-RESULT ok 3"]).is_finished());
        assert!(!transcript(&["TCPWATCH-VM-RESULT maybe 3 0 0"]).is_finished());
    }

    #[test]
    fn the_kernels_last_words_are_kept() {
        let run = transcript(&[
            "[    1.0] Kernel panic - not syncing: Attempted to kill init!",
            "Kernel panic - not syncing: again",
        ]);
        assert!(run.panic.unwrap().contains("kill init"));
    }

    #[test]
    fn console_noise_is_removed() {
        assert_eq!(clean(b"\x1b[2J\x1b[01;01Hhello\x07 there\r"), "hello there");
    }
}
