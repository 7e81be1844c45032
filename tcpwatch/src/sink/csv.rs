//! CSV for spreadsheets: one row per verdict, see [`super::table`] for the columns and the other rows.
//!
//! Times are RFC 3339 with nanoseconds in UTC; evidence is one field, its lines joined by ` | `. A spreadsheet takes
//! a field that begins with `=` for a formula, so one that does, by the will of whoever named a process, begins with
//! an apostrophe here. Every field but plain numbers is quoted, so that no separator but ours means anything.

use std::io::{self, Write};

use csv::{QuoteStyle, Writer, WriterBuilder};

use super::losses::Losses;
use super::table::{COLUMNS, Cell, Proof, Row, SEPARATOR, of_amendment, of_lost, of_verdict};
use super::{Clock, Sink, Summary, evidence};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Verdict};

/// Rows for spreadsheets.
pub struct Csv<W: Write> {
    clock: Clock,
    host: String,
    losses: Losses,
    headed: bool,
    to: Writer<W>,
}

impl<W: Write> Csv<W> {
    pub fn new(to: W) -> Self {
        let mut builder = WriterBuilder::new();
        builder.quote_style(QuoteStyle::NonNumeric).buffer_capacity(ENOUGH);
        Self {
            clock: Clock::utc(),
            host: String::new(),
            losses: Losses::default(),
            headed: false,
            to: builder.from_writer(to),
        }
    }

    fn write(&mut self, row: Row) -> io::Result<()> {
        self.write_head()?;
        for cell in row {
            let field = self.field(cell);
            self.to.write_field(field).map_err(io_error)?;
        }
        self.end_record()
    }

    /// Once, and also where no row follows.
    fn write_head(&mut self) -> io::Result<()> {
        if self.headed {
            return Ok(());
        }
        self.headed = true;
        for (name, _) in COLUMNS {
            self.to.write_field(name).map_err(io_error)?;
        }
        self.end_record()
    }

    fn end_record(&mut self) -> io::Result<()> {
        self.to.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn write_losses(&mut self, lost: &[EventsLost]) -> io::Result<()> {
        lost.iter().try_for_each(|lost| self.write(of_lost(lost, &self.host)))
    }

    fn field(&mut self, cell: Cell) -> String {
        match cell {
            Cell::Empty => String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => harmless(text),
            Cell::Time(time) => self.clock.at(time).rfc3339(),
            Cell::Evidence(Proof { lines, reset, .. }) => {
                let lines: Vec<_> = lines.iter().map(|line| evidence::line(line, reset)).collect();
                harmless(lines.join(SEPARATOR))
            }
        }
    }
}

impl<W: Write> Sink for Csv<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.host(host)?;
        self.write_head()
    }

    fn host(&mut self, host: &HostDescribed) -> io::Result<()> {
        let losses = self.losses.rest();
        self.write_losses(&losses)?;
        self.clock.set(host);
        self.host.clone_from(&host.hostname);
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.write(of_verdict(verdict, &self.host))
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        self.write(of_amendment(amendment, &self.host))
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        self.losses.add(lost);
        Ok(())
    }

    fn totals(&mut self, _summary: &Summary<'_>) -> io::Result<()> {
        let losses = self.losses.rest();
        self.write_losses(&losses)?;
        self.write_head()
    }

    fn until(&mut self, now: Time) -> io::Result<()> {
        let losses = self.losses.due(now);
        self.write_losses(&losses)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Text that no spreadsheet computes. Signs of full width count as signs in some of them.
fn harmless(text: String) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text }
}

/// What the reader of a pipe did must be known as such.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

const ENOUGH: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::pipe;

    use csv::Reader;

    use super::*;
    use crate::sink::samples;

    fn written(tell: impl FnOnce(&mut Csv<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut csv = Csv::new(&mut bytes);
        csv.started(&samples::host()).unwrap();
        tell(&mut csv);
        let totals = samples::totals();
        csv.totals(&samples::summary(&totals)).unwrap();
        csv.flush().unwrap();
        drop(csv);
        String::from_utf8(bytes).unwrap()
    }

    /// What a reader makes of it, by column.
    fn read(text: &str) -> Vec<HashMap<String, String>> {
        Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    #[test]
    fn a_verdict_is_a_row_under_a_head() {
        let text = written(|csv| csv.verdict(&samples::explained()).unwrap());
        let mut lines = text.lines();
        let head = concat!(
            r#""type","time","host","id","netns","namespace","direction","local_addr","local_port","#,
            r#""remote_addr","remote_port","service_addr","service_port","symptom","errno","#,
            r#""mechanism","reset_reason","state","certainty","cause","summary","evidence","#,
            r#""missing","remedy_now","remedy_fix","owner_pid","owner_command","owner_exe","#,
            r#""owner_pod","owner_container","joined","seq","joined_host""#,
        );
        assert_eq!(lines.next(), Some(head));
        let row = concat!(
            r#""verdict","2026-11-21T12:04:31.882104007Z","node1",17,4026532201,"shop","sent","#,
            r#""10.0.0.1",80,"10.0.0.9",40000,"","","refused","ECONNREFUSED","#,
            r#""syn-to-no-socket","NO_SOCKET","","observed","no-listener","#,
            r#""nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only","#,
            r#""tcp: SYN to 10.0.0.1:80 found no socket | listener: port 80 is open on 127.0.0.1:80 only","#,
            r#""","the server takes connections from its own host only; see whether that is meant","#,
            r#""bind what is dialled: 0.0.0.0 and [::] (no IPV6_V6ONLY), not loopback or one family","#,
            r#""","","","","","",0,"""#,
        );
        assert_eq!(lines.next(), Some(row));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn verdicts_amendments_and_losses_are_told_apart() {
        let text = written(|csv| {
            csv.verdict(&samples::explained()).unwrap();
            csv.lost(&samples::lost()).unwrap();
            csv.lost(&samples::lost()).unwrap();
            csv.amendment(&samples::amendment()).unwrap();
            csv.until(samples::lost().until.plus(std::time::Duration::from_secs(1))).unwrap();
        });
        let rows = read(&text);
        let types: Vec<_> = rows.iter().map(|row| row["type"].as_str()).collect();
        assert_eq!(types, ["verdict", "amendment", "lost"]);
        assert_eq!(
            (rows[1]["id"].as_str(), rows[1]["cause"].as_str()),
            ("17", "not-yet-listening")
        );
        assert!(rows[2]["summary"].starts_with("lost 24 (resets sent)"), "{rows:?}");
    }

    #[test]
    fn without_a_verdict_there_is_still_a_head() {
        let text = written(|_| {});
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn names_cannot_compute_or_break_out() {
        let mut verdict = samples::unexplained();
        verdict.namespace = Some("=HYPERLINK(\"http://x\")".into());
        verdict.reason = Some("a\",=1+1;\n=2".into());
        verdict.owner.as_mut().unwrap().command = "@x".into();
        let text = written(|csv| csv.verdict(&verdict).unwrap());
        assert_eq!(text.lines().count(), 2, "{text}");
        let row = &read(&text)[0];
        assert_eq!(row["namespace"], "'=HYPERLINK(\"http://x\")");
        assert_eq!(row["reset_reason"], r#"a",=1+1;\n=2"#);
        assert_eq!(row["owner_command"], "'@x");
    }

    #[test]
    fn what_a_spreadsheet_would_compute() {
        for text in ["=1", "+1", "-1", "@a", " =1", "＝1", "＋1", "－1", "＠1"] {
            assert_eq!(harmless(text.into()), format!("'{text}"));
        }
        for text in ["nginx", "1-2", "a=b", "", "10.0.0.1"] {
            assert_eq!(harmless(text.into()), text);
        }
    }

    #[test]
    fn a_closed_reader_is_known_as_one() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut csv = Csv::new(writer);
        for _ in 0..1_000 {
            if let Err(error) = csv.verdict(&samples::explained()) {
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                return;
            }
        }
        panic!("more than the buffer holds was written to nobody");
    }
}
