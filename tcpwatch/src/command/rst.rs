//! `tcpwatch rst`: watches this kernel and explains resets as they happen.

use super::ready::Ready;
use super::{netns, record, signals, view, watch};
use crate::cli::Rst;
use crate::session::Session;

pub(super) fn run(args: &Rst, verbose: bool) -> anyhow::Result<()> {
    let ready = Ready::new(args.watching.ready_fd)?;
    let stop = signals::stop_requested()?;
    let namespaces = args.wanted.netns.iter().map(netns::look_up).collect::<Result<_, _>>()?;
    let count = args.limits.count.map(u64::from);
    let sinks = view::sinks(args.view, verbose)?;
    let recorder =
        args.recording.record.as_deref().map(|to| record::recorder(to, &args.recording.how));
    let session = Session::new(args.wanted.filter(namespaces), count, sinks);
    let session = session.recorded_by(recorder.transpose()?);
    watch::run(&args.watching, session, args.limits.duration, ready, &stop)
}
