//! The account of a run, for a person beside a file that has no place for it.
//!
//! It goes to stderr. A closed stderr must not spoil the file, so write errors end here.

use std::io::{self, Write};

use super::totals::write_totals;
use super::{Paint, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed};
use crate::explain::verdict::{Amendment, Verdict};

/// Writes the totals; nothing else interests it.
pub struct Account<W> {
    to: W,
}

impl<W: Write> Account<W> {
    pub fn new(to: W) -> Self {
        Self { to }
    }
}

impl<W: Write> Sink for Account<W> {
    fn started(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, _verdict: &Verdict) -> io::Result<()> {
        Ok(())
    }

    fn amendment(&mut self, _amendment: &Amendment) -> io::Result<()> {
        Ok(())
    }

    fn lost(&mut self, _lost: &EventsLost) -> io::Result<()> {
        Ok(())
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let mut text = Vec::new();
        write_totals(&mut text, summary, Paint::PLAIN)?;
        _ = self.to.write_all(&text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn only_the_totals_are_said() {
        let mut bytes = Vec::new();
        let mut account = Account::new(&mut bytes);
        account.started(&samples::host()).unwrap();
        account.verdict(&samples::explained()).unwrap();
        let totals = samples::totals();
        account.totals(&samples::summary(&totals)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("totals    412 explained, 3 unexplained, 24 lost"), "{text}");
    }

    #[test]
    fn a_closed_stderr_spoils_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let totals = samples::totals();
        assert!(Account::new(writer).totals(&samples::summary(&totals)).is_ok());
    }
}
