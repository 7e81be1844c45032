//! `tcpwatch rst`: watches this kernel and explains resets as they happen.

use super::ready::Ready;
use super::{netns, record, signals, view, watch};
use crate::cli::{Recording, Rst};
use crate::recording::Recorder;
use crate::session::Session;

pub(super) fn run(args: &Rst, verbose: bool) -> anyhow::Result<()> {
    let ready = Ready::new(args.watching.ready_fd)?;
    let stop = signals::stop_requested()?;
    let namespaces = args.wanted.netns.iter().map(netns::look_up).collect::<Result<_, _>>()?;
    let count = args.limits.count.map(u64::from);
    let sinks = view::sinks(args.view, verbose)?;
    let recorder = recorder(&args.recording)?;
    let session = Session::new(args.wanted.filter(namespaces), count, sinks);
    let session = session.recorded_by(recorder);
    watch::run(&args.watching, session, args.limits.duration, ready, &stop)
}

fn recorder(args: &Recording) -> anyhow::Result<Option<Recorder>> {
    let flight = args.flying.flight();
    let recorder = |to| record::recorder(to, &args.keeping, flight.as_ref());
    args.to.as_deref().map(recorder).transpose()
}
