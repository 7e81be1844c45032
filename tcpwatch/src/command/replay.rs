//! `tcpwatch replay`: explains recordings, as the run that made them did or better.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::{CANNOT_WRITE, view};
use crate::cli::{Netns, Replay, Wanted};
use crate::filter::{Filter, Namespace};
use crate::recording::{Stream, Told};
use crate::session::Session;
use crate::sink::Clean;

pub(super) fn run(args: &Replay, verbose: bool) -> anyhow::Result<()> {
    let sinks = view::sinks(args.view, verbose)?;
    let count = args.count.map(u64::from);
    play(&args.inputs, Session::new(filter(&args.wanted)?, count, sinks))
}

/// Tells a session what recordings hold. What cannot be read is said at once, and at the end by an error.
pub(super) fn play(inputs: &[PathBuf], mut session: Session) -> anyhow::Result<()> {
    let mut stream = Stream::open(inputs);
    while let Some(told) = stream.next_told() {
        match told {
            Told::Event(event) => session.feed([event]).context(CANNOT_WRITE)?,
            Told::Note(note) => log::warn!("{}", Clean(&note)),
        }
    }
    let cpu = stream.account().and_then(|account| account.cpu());
    session.finish(cpu).context(CANNOT_WRITE)?;
    match stream.failed() {
        0 => Ok(()),
        1 => bail!("one input could not be read to its end; see above"),
        failed => bail!("{failed} inputs could not be read to their end; see above"),
    }
}

/// What is wanted of recordings.
pub(super) fn filter(wanted: &Wanted) -> anyhow::Result<Filter> {
    let namespaces = wanted.netns.iter().map(recorded).collect::<Result<_, _>>()?;
    Ok(wanted.filter(namespaces))
}

/// Processes are gone when a recording is read.
fn recorded(netns: &Netns) -> anyhow::Result<Namespace> {
    match netns {
        Netns::Is(namespace) => Ok(namespace.clone()),
        Netns::OfProcess(pid) => bail!(
            "a recording does not know which namespace process {pid} was in. Give --netns a name or an inode number"
        ),
    }
}
