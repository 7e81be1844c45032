//! `tcpwatch record`: watches this kernel and keeps what it tells, to be explained later or elsewhere.

use std::io;
use std::path::Path;

use super::anonymize::anonymizer;
use super::ready::Ready;
use super::{place, signals, view, watch};
use crate::cli::{Record, Recording};
use crate::filter::Filter;
use crate::recording::Recorder;
use crate::session::Session;

pub(super) fn run(args: &Record, verbose: bool) -> anyhow::Result<()> {
    let ready = Ready::new(args.watching.ready_fd)?;
    let stop = signals::stop_requested()?;
    let recorder = recorder(&args.to, &args.how)?;
    let session = Session::new(Filter::default(), None, vec![view::banner(verbose)]);
    let session = session.recorded_by(Some(recorder)).for_its_recording();
    watch::run(&args.watching, session, args.duration, ready, &stop)
}

/// One that writes as the user wants it.
pub(super) fn recorder(to: &Path, how: &Recording) -> anyhow::Result<Recorder> {
    let place = place::of(to, &how.keeping)?;
    let anonymizing = &how.anonymizing;
    let anonymizer =
        anonymizing.anonymize.map(|level| anonymizer(level, anonymizing.mapping.as_deref()));
    let recorder = match how.flying.flight() {
        None => Recorder::new(place)?,
        Some(flight) => Recorder::in_flight(place, &flight)?,
    };
    Ok(recorder.anonymized_by(anonymizer.transpose()?).reporting_to(io::stderr()))
}
