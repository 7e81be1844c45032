//! `tcpwatch top`: watches this kernel, and shows how many resets of which kind, between whom.

use std::io::{self, IsTerminal};
use std::time::Duration;

use super::ready::Ready;
use super::stdout::Stdout;
use super::{netns, record, signals, view, watch};
use crate::cli::{Form, Top};
use crate::session::Session;
use crate::sink::{self, Clock, Paint, Sink, Size};

pub(super) fn run(args: &Top, verbose: bool) -> anyhow::Result<()> {
    let ready = Ready::new(args.watching.ready_fd)?;
    let stop = signals::stop_requested()?;
    let namespaces = args.wanted.netns.iter().map(netns::look_up).collect::<Result<_, _>>()?;
    let sinks = sinks(args, verbose)?;
    let recorder =
        args.recording.record.as_deref().map(|to| record::recorder(to, &args.recording.how));
    let session = Session::new(args.wanted.filter(namespaces), None, sinks);
    let session = session.recorded_by(recorder.transpose()?);
    watch::run(&args.watching, session, args.duration, ready, &stop)
}

fn sinks(args: &Top, verbose: bool) -> io::Result<Vec<Box<dyn Sink>>> {
    let to = Stdout::open()?;
    let every = |seconds| args.interval.unwrap_or(Duration::from_secs(seconds));
    Ok(match args.output {
        Form::Json => vec![Box::new(sink::Top::json(every(5), to))],
        Form::Text => vec![view::banner(verbose), text(every, to)],
    })
}

fn text(every: impl Fn(u64) -> Duration, to: Stdout) -> Box<dyn Sink> {
    let clock = Clock::local();
    if !can_be_drawn_on() {
        return Box::new(sink::Top::blocks(clock, every(5), to));
    }
    let paint = Paint::for_output(&io::stdout());
    Box::new(sink::Top::screen(clock, paint, every(1), size, to))
}

/// Dumb terminals know nothing but text.
fn can_be_drawn_on() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !dumb
}

/// As it is now: windows change.
fn size() -> Size {
    let told = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let told = told.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or(Size { columns: 80, rows: None }, |size| Size {
        columns: size.ws_col.into(),
        rows: Some(size.ws_row.into()),
    })
}
