//! What goes to stdout, and how: the same for a running kernel and for a recording.

use std::io;

use super::stdout::Stdout;
use crate::cli::{Output, View};
use crate::sink::{Banner, Clock, Explain, Json, Line, Paint, Sink};

/// The sinks the user asked for.
pub(super) fn sinks(view: View, verbose: bool) -> io::Result<Vec<Box<dyn Sink>>> {
    let to = Stdout::open()?;
    if view.output == Output::Json {
        return Ok(vec![Box::new(Json::new(to))]);
    }
    Ok(vec![banner(verbose), text(view.explain, to)])
}

/// The first lines, on stderr.
pub(super) fn banner(verbose: bool) -> Box<dyn Sink> {
    Box::new(Banner::new(Clock::local(), verbose, io::stderr()))
}

fn text(explain: bool, to: Stdout) -> Box<dyn Sink> {
    let (clock, paint) = (Clock::local(), Paint::for_output(&io::stdout()));
    if explain {
        let width = to.columns().unwrap_or(WIDTH);
        Box::new(Explain::new(clock, paint, width, to))
    } else {
        Box::new(Line::new(clock, paint, to))
    }
}

/// Columns where there is no terminal.
pub(super) const WIDTH: usize = 100;
