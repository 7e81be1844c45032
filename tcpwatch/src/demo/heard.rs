//! What was said of the demo's resets so far: a sink that others can ask.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::{CoverageDeclared, EventsLost, HostDescribed};
use crate::explain::verdict::{Amendment, Finding, Verdict};
use crate::sink::{Sink, Summary};

/// A cause, and for how many verdicts or amendments it must be named. A reset within the stage has two ends.
pub type Expected = (&'static str, usize);

/// Codes of causes in the order they were told. What is shared is known once it was flushed: a sink that stands
/// before this one has written it by then.
#[derive(Default)]
pub struct Heard {
    unflushed: Vec<&'static str>,
    shared: Arc<Shared>,
}

/// Who asks what was heard.
#[derive(Clone)]
pub struct Listener(Arc<Shared>);

#[derive(Default)]
struct Shared {
    codes: Mutex<Vec<&'static str>>,
    more: Condvar,
}

impl Heard {
    pub fn listener(&self) -> Listener {
        Listener(Arc::clone(&self.shared))
    }
}

impl Listener {
    /// Waits until everything expected was told. What was told instead, as a sentence, when it was not.
    pub(super) fn wait_for(&self, expected: &[Expected], patience: Duration) -> Result<(), String> {
        let codes = self.0.codes();
        let waits = |codes: &mut Vec<_>| !is_met(expected, codes);
        let waited = self.0.more.wait_timeout_while(codes, patience, waits);
        let (codes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_met(expected, &codes) { Ok(()) } else { Err(complaint(expected, &codes)) }
    }
}

impl Shared {
    fn codes(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Heard {
    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.unflushed.push(match &verdict.finding {
            Finding::Explained(best) => best.cause.code(),
            Finding::Unexplained { .. } => "unexplained",
        });
        Ok(())
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        self.unflushed.push(amendment.explanation.cause.code());
        Ok(())
    }

    fn started(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn lost(&mut self, _lost: &EventsLost) -> io::Result<()> {
        Ok(())
    }

    fn totals(&mut self, _summary: &Summary<'_>) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.unflushed.is_empty() {
            self.shared.codes().append(&mut self.unflushed);
            self.shared.more.notify_all();
        }
        Ok(())
    }
}

fn is_met(expected: &[Expected], codes: &[&str]) -> bool {
    expected.iter().all(|(code, count)| told(codes, code) >= *count)
}

fn told(codes: &[&str], code: &str) -> usize {
    codes.iter().filter(|told| **told == code).count()
}

fn complaint(expected: &[Expected], codes: &[&str]) -> String {
    let list =
        |codes: Vec<String>| if codes.is_empty() { "nothing".into() } else { codes.join(", ") };
    let wanted = expected.iter().map(|(code, count)| format!("{code} ({count}×)")).collect();
    let told = codes.iter().map(|code| (*code).to_owned()).collect();
    format!("expected {}, told {}", list(wanted), list(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn verdicts_and_amendments_count_once_they_are_written() {
        let mut heard = Heard::default();
        let expected = [("no-listener", 2), ("not-yet-listening", 1)];
        heard.verdict(&samples::explained()).unwrap();
        heard.verdict(&samples::received()).unwrap();
        heard.flush().unwrap();
        heard.amendment(&samples::amendment()).unwrap();
        let listener = heard.listener();
        assert_eq!(
            listener.wait_for(&expected, Duration::ZERO).unwrap_err(),
            "expected no-listener (2×), not-yet-listening (1×), told no-listener, no-listener"
        );
        heard.flush().unwrap();
        assert_eq!(listener.wait_for(&expected, Duration::ZERO), Ok(()));
    }

    #[test]
    fn who_waits_is_woken() {
        let heard = Heard::default();
        let listener = heard.listener();
        let wait = || listener.wait_for(&[("no-listener", 1)], Duration::from_mins(1));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(wait);
            let mut heard = heard;
            heard.verdict(&samples::explained()).unwrap();
            heard.flush().unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn what_was_told_instead_is_named() {
        let mut heard = Heard::default();
        let complaint =
            |heard: &Heard| heard.listener().wait_for(&[("x", 1)], Duration::ZERO).unwrap_err();
        assert_eq!(complaint(&heard), "expected x (1×), told nothing");
        heard.verdict(&samples::unexplained()).unwrap();
        heard.flush().unwrap();
        assert_eq!(complaint(&heard), "expected x (1×), told unexplained");
    }
}
