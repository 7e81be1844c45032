//! `tcpwatch record`: watches this kernel and keeps what it tells, to be explained later or elsewhere.

use std::path::Path;

use anyhow::bail;

use super::ready::Ready;
use super::stdout::Stdout;
use super::{signals, view, watch};
use crate::cli::{Keeping, Record};
use crate::filter::Filter;
use crate::recording::{Flight, Place, Recorder, Rotation};
use crate::session::Session;

pub(super) fn run(args: &Record, verbose: bool) -> anyhow::Result<()> {
    let ready = Ready::new(args.watching.ready_fd)?;
    let stop = signals::stop_requested()?;
    let recorder = recorder(&args.to, &args.keeping, args.flying.flight().as_ref())?;
    let session = Session::new(Filter::default(), None, vec![view::banner(verbose)]);
    watch::run(&args.watching, session.recorded_by(Some(recorder)), args.duration, ready, &stop)
}

/// One that writes to a directory, to a file, or to stdout (`-`).
pub(super) fn recorder(
    to: &Path,
    keeping: &Keeping,
    flight: Option<&Flight>,
) -> anyhow::Result<Recorder> {
    let rotation = Rotation { size: keeping.rotate_size, age: keeping.rotate_time };
    let place = if to == Path::new("-") { to_stdout()? } else { Place::at(to, rotation)? };
    match flight {
        None => Ok(Recorder::new(place)),
        Some(flight) if place.is_directory() => Recorder::in_flight(place, flight),
        Some(_) => bail!("a flight recorder writes a file for each reason. Give it a directory"),
    }
}

fn to_stdout() -> anyhow::Result<Place> {
    let stdout = Stdout::open()?;
    if stdout.is_terminal() {
        bail!(
            "a recording is not for terminals. Send it to a file or a pipe: tcpwatch record -o - > FILE"
        )
    }
    Ok(Place::Stream(Box::new(stdout)))
}
