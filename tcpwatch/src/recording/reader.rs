//! From text back to lines. Reads what can be read, and says what cannot.

use std::io::{self, Read};

use serde::Deserialize;
use serde_json::Value;

use super::line::{END, End, Header, Kind, Line, Own, SEGMENT};
use super::text::{Piece, Text, read_some};
use super::{SCHEMA, foreign, upgrade};

/// Lines of one file, or of several that were put one behind the other.
pub struct Reader {
    from: Text,
    /// Text that was not returned yet.
    text: Vec<u8>,
    /// Where the current line begins, and where the next one does.
    line: usize,
    next: usize,
    schema: u32,
    end: Option<Piece>,
}

/// Why reading ended before the end.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("is not a recording of tcpwatch")]
    NotARecording,
    #[error("is empty")]
    Empty,
    /// Something else, by its first bytes; what it is, and what to do.
    #[error("is not a recording of tcpwatch: it is {0}")]
    Foreign(&'static str),
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
    pub fn new(from: impl Read + 'static) -> Result<Self, Damage> {
        let (mut from, mut first) = (Box::new(from), Vec::new());
        while first.len() < foreign::LONGEST
            && read_some(&mut from, &mut first).map_err(Damage::Io)? > 0
        {}
        if first.is_empty() {
            return Err(Damage::Empty);
        }
        if let Some(what) = foreign::name(&first) {
            return Err(Damage::Foreign(what));
        }
        let from = Text::new(first, from).map_err(Damage::Io)?;
        Ok(Self { from, text: Vec::new(), line: 0, next: 0, schema: 0, end: None })
    }

    /// The next line that means something to us; `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<Line>, Damage> {
        match self.find_line()? {
            Found::Line => {}
            Found::Gap(why) => return Ok(Some(Line::Damaged(why))),
            Found::End => return Ok(None),
        }
        let line = self.parse()?;
        if let Line::Header(header) = &line {
            self.schema = header.schema;
        }
        Ok(Some(line))
    }

    /// Length of the text of the last line.
    pub(super) fn line_len(&self) -> usize {
        self.next - self.line
    }

    fn find_line(&mut self) -> Result<Found, Damage> {
        self.line = self.next;
        let mut looked_at = self.line;
        loop {
            if let Some(at) = self.text[looked_at..].iter().position(|byte| *byte == b'\n') {
                self.next = looked_at + at + 1;
                return Ok(Found::Line);
            }
            if self.text.len() - self.line >= LONGEST {
                return Err(self.broken("a line is too long"));
            }
            self.text.drain(..self.line);
            (self.line, self.next, looked_at) = (0, 0, self.text.len());
            match self.read_more()? {
                Piece::Text => {}
                Piece::Gap(why) => {
                    self.text.clear();
                    return Ok(Found::Gap(why));
                }
                Piece::Torn => return Err(self.cut_off()),
                // A line without its newline was cut off.
                Piece::End if !self.text.is_empty() => return Err(self.cut_off()),
                Piece::End => return Ok(Found::End),
            }
        }
    }

    /// A torn frame may have brought whole lines: they come before its end.
    fn read_more(&mut self) -> Result<Piece, Damage> {
        if let Some(end) = self.end.take() {
            return Ok(end);
        }
        let before = self.text.len();
        let piece = self.from.read(&mut self.text).map_err(|error| self.damage(error))?;
        if piece == Piece::Torn && self.text.len() > before {
            self.end = Some(piece);
            return Ok(Piece::Text);
        }
        Ok(piece)
    }

    fn cut_off(&self) -> Damage {
        if self.schema == 0 { Damage::NotARecording } else { Damage::Torn }
    }

    /// What zstd finds wrong is damage.
    fn damage(&self, error: io::Error) -> Damage {
        match error.kind() {
            io::ErrorKind::Other | io::ErrorKind::InvalidData => self.broken(&error.to_string()),
            _ => Damage::Io(error),
        }
    }

    fn broken(&self, why: &str) -> Damage {
        if self.schema == 0 { Damage::NotARecording } else { Damage::Broken(why.to_owned()) }
    }

    fn bytes(&self) -> &[u8] {
        &self.text[self.line..self.next]
    }

    /// A line that is none leaves a gap; without a header before it, this is no recording.
    fn parse(&self) -> Result<Line, Damage> {
        let Ok(kind) = serde_json::from_slice::<Kind<'_>>(self.bytes()) else {
            return self.damaged("a line is not what it should be");
        };
        match &*kind.name {
            SEGMENT => self.header(),
            _ if self.schema == 0 && kind.is_output() => Err(Damage::Foreign(OUTPUT)),
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
        let Ok(Schema { schema }) = self.deserialize(0) else {
            return self.damaged("a header is not what it should be");
        };
        if schema > SCHEMA {
            return Err(Damage::Newer(schema));
        }
        match self.deserialize(schema) {
            Ok(Own::<Header, Value>::Segment(header)) => Ok(Line::Header(Box::new(header))),
            Ok(Own::End(_)) => self.damaged("a header is not what it should be"),
            Err(error) => self.damaged(&error.to_string()),
        }
    }

    fn end(&self) -> Result<Line, Damage> {
        match self.deserialize(self.schema) {
            Ok(Own::<Value, End>::End(end)) => Ok(Line::End(end)),
            Ok(Own::Segment(_)) => self.damaged("an end is not what it should be"),
            Err(error) => self.damaged(&error.to_string()),
        }
    }

    /// An event that this version does not understand is one it did not see.
    fn event(&self, name: &str) -> Line {
        match self.deserialize(self.schema) {
            Ok(event) => Line::Event(event),
            Err(_) => Line::Unknown(name.to_owned()),
        }
    }

    fn damaged(&self, why: &str) -> Result<Line, Damage> {
        match self.broken(why) {
            Damage::Broken(why) => Ok(Line::Damaged(why)),
            damage => Err(damage),
        }
    }

    fn deserialize<T: serde::de::DeserializeOwned>(&self, schema: u32) -> serde_json::Result<T> {
        if schema == 0 || upgrade::is_current(schema) {
            return serde_json::from_slice(self.bytes());
        }
        let line = serde_json::from_slice(self.bytes());
        line.and_then(|line| serde_json::from_value(upgrade::upgrade(schema, line)))
    }
}

enum Found {
    Line,
    Gap(String),
    End,
}

/// Bytes. Longer lines than a namespace with very many addresses needs are not ours.
const LONGEST: usize = 4 * 1024 * 1024;

const OUTPUT: &str = "what `tcpwatch -o json` prints. Replay the recording it was made from";
