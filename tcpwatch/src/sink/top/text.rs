//! Pages for people: one below the other, or all in the same place.

use std::io::{self, Write};

use super::Draw;
use super::frame::Frame;
use super::page::{self, Size};
use crate::event::HostDescribed;
use crate::sink::totals::write_totals;
use crate::sink::{Clock, Paint, Summary};

/// Who is watched, and by which clock.
struct Watched {
    host: String,
    clock: Clock,
}

impl Watched {
    fn by(clock: Clock) -> Self {
        Self { host: String::new(), clock }
    }

    fn started(&mut self, host: &HostDescribed) {
        self.host.clone_from(&host.hostname);
        self.clock.set(host);
    }

    fn lines(&mut self, frame: &Frame, size: Size, paint: Paint) -> Vec<String> {
        page::lines(frame, &self.host, &mut self.clock, size, paint)
    }
}

/// For files, pipes, and terminals that know nothing but text.
pub struct Blocks(Watched);

impl Blocks {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Watched::by(clock))
    }
}

impl Draw for Blocks {
    fn started(&mut self, host: &HostDescribed) {
        self.0.started(host);
    }

    fn frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> io::Result<()> {
        let lines = self.0.lines(frame, PAPER, Paint::PLAIN);
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)
    }

    fn last(&mut self, frame: &Frame, summary: &Summary<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        self.frame(frame, out)?;
        write_account(frame, summary, Paint::PLAIN, out)
    }
}

/// A terminal. It is asked for nothing that would have to be taken back: whatever ends us, it is as it was.
pub struct Screen<S> {
    watched: Watched,
    paint: Paint,
    size: S,
    /// It has been cleared.
    ours: bool,
}

impl<S: Fn() -> Size> Screen<S> {
    pub(super) fn new(clock: Clock, paint: Paint, size: S) -> Self {
        Self { watched: Watched::by(clock), paint, size, ours: false }
    }

    /// What was there before scrolls away and can be looked up.
    fn take(&mut self, rows: usize, out: &mut Vec<u8>) {
        if !self.ours {
            out.resize(out.len() + rows, b'\n');
            self.ours = true;
        }
    }
}

impl<S: Fn() -> Size> Draw for Screen<S> {
    fn started(&mut self, host: &HostDescribed) {
        self.watched.started(host);
    }

    /// The last row stays free, so that nothing scrolls.
    fn frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> io::Result<()> {
        let size = (self.size)();
        let rows = size.rows.unwrap_or(ROWS);
        self.take(rows, out);
        let size = Size { rows: Some(rows.saturating_sub(1)), ..size };
        out.extend_from_slice(HOME);
        for line in self.watched.lines(frame, size, self.paint) {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(END_OF_LINE);
        }
        out.extend_from_slice(CLEAR_BELOW);
        Ok(())
    }

    fn last(&mut self, frame: &Frame, summary: &Summary<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        self.frame(frame, out)?;
        writeln!(out)?;
        write_account(frame, summary, self.paint, out)
    }
}

/// The totals are of verdicts, the pages of resets.
fn write_account(
    frame: &Frame,
    summary: &Summary<'_>,
    paint: Paint,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    write_totals(out, summary, paint)?;
    match frame.other_ends.since_start.count {
        0 => Ok(()),
        ends => writeln!(out, "  ends    {ends} of the resets seen at both: two verdicts each"),
    }
}

/// To the upper left corner (ECMA-48 CUP).
const HOME: &[u8] = b"\x1b[H";

/// Clears the rest of the line (EL), and goes to the next.
const END_OF_LINE: &[u8] = b"\x1b[K\n";

/// Clears what is below (ED).
const CLEAR_BELOW: &[u8] = b"\x1b[J";

/// Of a terminal that does not say.
const ROWS: usize = 24;

/// Where there is no terminal.
const PAPER: Size = Size { columns: 120, rows: None };
