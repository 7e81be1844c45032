//! Parquet for databases: the columns of [`super::table`], with two for the time and the evidence as JSON.
//!
//! `ts` counts microseconds, because Spark refuses nanoseconds, and `ts_ns` has them as a plain number. Numbers are
//! signed: unsigned ones of 64 bits are decimals in Spark. The file can be read only when its footer stands, so it
//! is whole after the totals or not at all. Its metadata names the host and gives the account of the run.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::json::evidence_text;
use super::losses::Losses;
use super::table::{COLUMNS, Cell, Kind, Proof, Row, of_amendment, of_lost, of_verdict};
use super::totals::write_totals;
use super::{Clock, Paint, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Verdict};

/// Columns for databases.
pub struct Parquet<W: Write + Send> {
    clock: Clock,
    /// That of the host a reset came from, where that is another one.
    peer: Clock,
    host: String,
    losses: Losses,
    /// Of the rows that wait for their group to be full.
    columns: Vec<Column>,
    rows: usize,
    to: SerializedFileWriter<W>,
}

impl<W: Write + Send> Parquet<W> {
    pub fn new(to: W) -> io::Result<Self> {
        let schema = parse_message_type(&schema()).map_err(io_error)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let to = SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            clock: Clock::utc(),
            peer: Clock::utc(),
            host: String::new(),
            losses: Losses::default(),
            columns: columns(),
            rows: 0,
            to: to.map_err(io_error)?,
        })
    }

    fn write(&mut self, row: Row) -> io::Result<()> {
        let mut columns = self.columns.iter_mut();
        let mut add = |value| columns.next().map(|column| column.push(value));
        for cell in row {
            match cell {
                Cell::Empty => add(Value::Nothing),
                Cell::Number(number) => add(Value::Number(number)),
                Cell::Text(text) => add(Value::Text(text)),
                Cell::Time(time) => {
                    let nanos = self.clock.unix_nanos(time);
                    add(Value::Number(nanos.div_euclid(1_000)));
                    add(Value::Number(nanos))
                }
                Cell::Evidence(Proof { lines, peer, .. }) => {
                    let clock = match peer {
                        Some(peer) => {
                            self.peer.set(&peer.host);
                            &mut self.peer
                        }
                        None => &mut self.clock,
                    };
                    add(Value::Text(evidence_text(lines, clock)?))
                }
            };
        }
        self.rows += 1;
        if self.rows >= GROUP { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let columns = std::mem::replace(&mut self.columns, columns());
        write_group(&mut self.to, &columns).map_err(io_error)
    }

    fn write_losses(&mut self, lost: &[EventsLost]) -> io::Result<()> {
        lost.iter().try_for_each(|lost| self.write(of_lost(lost, &self.host)))
    }

    fn describe(&mut self, key: &str, value: String) {
        self.to.append_key_value_metadata(KeyValue::new(format!("tcpwatch.{key}"), value));
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.host(host)?;
        let HostDescribed { hostname, boot_id, kernel, version, .. } = host;
        let described =
            format!("{hostname}, boot {boot_id}, Linux {kernel}, recorded by tcpwatch {version}");
        self.describe("host", described);
        Ok(())
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

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let losses = self.losses.rest();
        self.write_losses(&losses)?;
        self.write_group()?;
        let mut account = Vec::new();
        write_totals(&mut account, summary, Paint::PLAIN)?;
        self.describe("account", String::from_utf8_lossy(&account).into_owned());
        self.to.finish().map(drop).map_err(io_error)
    }

    fn until(&mut self, now: Time) -> io::Result<()> {
        let losses = self.losses.due(now);
        self.write_losses(&losses)
    }

    /// Rows go out by groups, and a part of a file is of no use to anybody.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is known of one column; whether there is a value for a row is told by its definition level.
struct Column {
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
}

enum Value {
    Nothing,
    Number(i64),
    Text(String),
}

impl Column {
    fn numbers() -> Self {
        Self { values: Values::Numbers(Vec::new()), levels: Vec::new() }
    }

    fn texts() -> Self {
        Self { values: Values::Texts(Vec::new()), levels: Vec::new() }
    }

    fn push(&mut self, value: Value) {
        let level = match (&mut self.values, value) {
            (Values::Numbers(numbers), Value::Number(number)) => {
                numbers.push(number);
                1
            }
            (Values::Texts(texts), Value::Text(text)) => {
                texts.push(text.into_bytes().into());
                1
            }
            _ => 0,
        };
        self.levels.push(level);
    }

    fn write(&self, to: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        let levels = Some(self.levels.as_slice());
        match &self.values {
            Values::Numbers(numbers) => to.typed::<Int64Type>().write_batch(numbers, levels, None),
            Values::Texts(texts) => to.typed::<ByteArrayType>().write_batch(texts, levels, None),
        }
    }
}

fn write_group<W: Write + Send>(
    to: &mut SerializedFileWriter<W>,
    columns: &[Column],
) -> Result<(), ParquetError> {
    let mut group = to.next_row_group()?;
    let mut columns = columns.iter();
    while let Some(mut writer) = group.next_column()?
        && let Some(column) = columns.next()
    {
        column.write(&mut writer)?;
        writer.close()?;
    }
    group.close().map(drop)
}

/// Empty columns in the order of [`schema`].
fn columns() -> Vec<Column> {
    let columns = |(_, kind): &(&str, Kind)| match kind {
        Kind::Text | Kind::Evidence => vec![Column::texts()],
        Kind::Number => vec![Column::numbers()],
        Kind::Time => vec![Column::numbers(), Column::numbers()],
    };
    COLUMNS.iter().flat_map(columns).collect()
}

fn schema() -> String {
    let fields = COLUMNS.iter().map(|(name, kind)| match kind {
        Kind::Text | Kind::Evidence => format!("optional binary {name} (string);"),
        Kind::Number => format!("optional int64 {name};"),
        Kind::Time => "optional int64 ts (timestamp(micros,true)); optional int64 ts_ns;".into(),
    });
    format!("message resets {{ {} }}", fields.collect::<Vec<_>>().join(" "))
}

/// What the reader of a pipe did must be known as such.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => {
            inner.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
        }
        other => io::Error::other(other),
    }
}

/// Rows in memory, a kilobyte or two each, before they are written.
const GROUP: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::pipe;

    use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::sink::samples;

    fn written(
        tell: impl FnOnce(&mut Parquet<&mut Vec<u8>>),
    ) -> SerializedFileReader<impl ChunkReader> {
        let mut bytes = Vec::new();
        let mut parquet = Parquet::new(&mut bytes).unwrap();
        parquet.started(&samples::host()).unwrap();
        tell(&mut parquet);
        let totals = samples::totals();
        parquet.totals(&samples::summary(&totals)).unwrap();
        drop(parquet);
        SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap()
    }

    fn rows(
        file: &SerializedFileReader<impl ChunkReader + 'static>,
    ) -> Vec<BTreeMap<String, Field>> {
        let rows = file.get_row_iter(None).unwrap();
        rows.map(|row| row.unwrap().into_columns().into_iter().collect()).collect()
    }

    fn text(text: &str) -> Field {
        Field::Str(text.into())
    }

    #[test]
    fn a_verdict_is_a_row() {
        let file = written(|parquet| parquet.verdict(&samples::explained()).unwrap());
        let row = &rows(&file)[0];
        assert_eq!(row["type"], text("verdict"));
        assert_eq!(row["host"], text("node1"));
        assert_eq!(row["ts"], Field::TimestampMicros(1_795_262_671_882_104));
        assert_eq!(row["ts_ns"], Field::Long(1_795_262_671_882_104_007));
        assert_eq!(row["netns"], Field::Long(4_026_532_201));
        assert_eq!(row["local_port"], Field::Long(80));
        assert_eq!(row["service_port"], Field::Null);
        assert_eq!(row["cause"], text("no-listener"));
        let evidence = concat!(
            r#"[{"source":"tcp","time":null,"text":"SYN to 10.0.0.1:80 found no socket"},"#,
            r#"{"source":"listener","time":null,"text":"port 80 is open on 127.0.0.1:80 only"}]"#,
        );
        assert_eq!(row["evidence"], text(evidence));
        assert_eq!(row.len(), COLUMNS.len() + 1);
    }

    #[test]
    fn all_kinds_of_rows_are_told_apart() {
        let file = written(|parquet| {
            parquet.verdict(&samples::unexplained()).unwrap();
            parquet.lost(&samples::lost()).unwrap();
            parquet.amendment(&samples::amendment()).unwrap();
        });
        let types: Vec<_> = rows(&file).into_iter().map(|mut row| row.remove("type")).collect();
        assert_eq!(types, ["verdict", "amendment", "lost"].map(|name| Some(text(name))));
    }

    #[test]
    fn groups_follow_each_other() {
        let file = written(|parquet| {
            for id in 0..20_000 {
                parquet.verdict(&Verdict { id, ..samples::explained() }).unwrap();
            }
        });
        assert_eq!(file.num_row_groups(), 2);
        let last = rows(&file).pop().unwrap();
        assert_eq!(last["id"], Field::Long(19_999));
    }

    #[test]
    fn the_metadata_give_account() {
        let file = written(|_| {});
        let metadata = file.metadata().file_metadata();
        assert_eq!(metadata.num_rows(), 0);
        let pairs = metadata.key_value_metadata().unwrap();
        let value =
            |key: &str| pairs.iter().find(|pair| pair.key == key).unwrap().value.clone().unwrap();
        assert_eq!(
            value("tcpwatch.host"),
            "node1, boot b0, Linux 6.18.0, recorded by tcpwatch 0.1.0"
        );
        assert!(
            value("tcpwatch.account")
                .starts_with("totals    412 explained, 3 unexplained, 24 lost")
        );
    }

    #[test]
    fn a_closed_reader_is_known_as_one() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut parquet = Parquet::new(writer).unwrap();
        parquet.verdict(&samples::explained()).unwrap();
        let totals = samples::totals();
        let error = parquet.totals(&samples::summary(&totals)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
