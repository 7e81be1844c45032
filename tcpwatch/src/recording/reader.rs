//! From bytes back to lines. Reads what can be read, and says what cannot.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::Value;
use zstd::stream::read::Decoder;

use super::line::{END, End, Header, Kind, Line, Own, SEGMENT};
use super::{SCHEMA, upgrade};

/// Lines of one file, or of several that were put one behind the other.
pub struct Reader {
    from: Box<dyn BufRead>,
    line: Vec<u8>,
    schema: u32,
}

/// Why reading ended before the end.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("is not a recording of tcpwatch")]
    NotARecording,
    #[error(
        "was recorded by a newer tcpwatch (schema {0}, this one reads up to {SCHEMA}). Read it with that version"
    )]
    Newer(u32),
    /// It was being written when its writer died, or was copied in part.
    #[error("ends in the middle; everything before the cut was read")]
    Torn,
    #[error("is damaged: {0}; everything before that place was read")]
    Broken(String),
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

impl Reader {
    /// Compressed or plain: the first bytes tell.
    pub fn new(from: impl Read + 'static) -> Result<Self, Damage> {
        let mut from = BufReader::new(from);
        let compressed = from.fill_buf().map_err(Damage::Io)?.starts_with(&ZSTD);
        let from: Box<dyn BufRead> = if compressed {
            let mut decoder = Decoder::with_buffer(from).map_err(Damage::Io)?;
            decoder.window_log_max(WINDOW_LOG).map_err(Damage::Io)?;
            Box::new(BufReader::with_capacity(CHUNK, decoder))
        } else {
            Box::new(from)
        };
        Ok(Self { from, line: Vec::new(), schema: 0 })
    }

    /// The next line that means something to us; `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<Line>, Damage> {
        if !self.read_line()? {
            return Ok(None);
        }
        let line = self.parse()?;
        if let Line::Header(header) = &line {
            self.schema = header.schema;
        }
        Ok(Some(line))
    }

    /// A line without its newline was cut off.
    fn read_line(&mut self) -> Result<bool, Damage> {
        self.line.clear();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = self.from.by_ref().take(most).read_until(b'\n', &mut self.line);
        match read.map_err(|error| self.damage(error))? {
            0 => Ok(false),
            _ if self.line.ends_with(b"\n") => Ok(true),
            read if read >= LONGEST => Err(self.broken("a line is too long")),
            _ => Err(if self.schema == 0 { Damage::NotARecording } else { Damage::Torn }),
        }
    }

    /// An incomplete frame is the mark of a writer that died. What zstd finds wrong otherwise is damage.
    fn damage(&self, error: io::Error) -> Damage {
        match error.kind() {
            io::ErrorKind::UnexpectedEof if self.schema == 0 => Damage::NotARecording,
            io::ErrorKind::UnexpectedEof => Damage::Torn,
            io::ErrorKind::Other | io::ErrorKind::InvalidData => self.broken(&error.to_string()),
            _ => Damage::Io(error),
        }
    }

    fn broken(&self, why: &str) -> Damage {
        if self.schema == 0 { Damage::NotARecording } else { Damage::Broken(why.to_owned()) }
    }

    fn parse(&self) -> Result<Line, Damage> {
        let not_json = |_| self.broken("a line is not what it should be");
        let kind: Kind<'_> = serde_json::from_slice(&self.line).map_err(not_json)?;
        match &*kind.name {
            SEGMENT => self.header(),
            _ if self.schema == 0 => Err(Damage::NotARecording),
            END => self.end(),
            name => Ok(self.event(name)),
        }
    }

    /// Its schema is read first: of a newer one nothing else is known.
    fn header(&self) -> Result<Line, Damage> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let Schema { schema } = self.deserialize(0)?;
        if schema > SCHEMA {
            return Err(Damage::Newer(schema));
        }
        match self.deserialize(schema)? {
            Own::<Header, Value>::Segment(header) => Ok(Line::Header(Box::new(header))),
            Own::End(_) => Err(self.broken("a header is not what it should be")),
        }
    }

    fn end(&self) -> Result<Line, Damage> {
        match self.deserialize(self.schema)? {
            Own::<Value, End>::End(end) => Ok(Line::End(end)),
            Own::Segment(_) => Err(self.broken("an end is not what it should be")),
        }
    }

    /// An event that this version does not understand is one it did not see.
    fn event(&self, name: &str) -> Line {
        match self.deserialize(self.schema) {
            Ok(event) => Line::Event(event),
            Err(_) => Line::Unknown(name.to_owned()),
        }
    }

    fn deserialize<T: serde::de::DeserializeOwned>(&self, schema: u32) -> Result<T, Damage> {
        let told = if schema == 0 || upgrade::is_current(schema) {
            serde_json::from_slice(&self.line)
        } else {
            let line = serde_json::from_slice(&self.line);
            line.and_then(|line| serde_json::from_value(upgrade::upgrade(schema, line)))
        };
        told.map_err(|error| self.broken(&error.to_string()))
    }
}

/// First bytes of a zstd frame (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// 128 MiB is the most a foreign compressor may make us remember; our own frames need 128 KiB.
const WINDOW_LOG: u32 = 27;

/// Bytes decompressed at a time.
const CHUNK: usize = 128 * 1024;

/// Bytes. Longer lines than a namespace with very many addresses needs are not ours.
const LONGEST: usize = 4 * 1024 * 1024;
