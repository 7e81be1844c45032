//! `tcpwatch replay`: explains recordings, as the run that made them did or better.

use std::io;

use anyhow::{Context, bail};
use jiff::tz::TimeZone;

use super::{CANNOT_WRITE, view};
use crate::cli::{Netns, Replay, Times, Wanted};
use crate::event::{Event, HostId};
use crate::filter::{Filter, Namespace, Span, When};
use crate::recording::{Extent, Stream, Told};
use crate::session::Session;
use crate::sink::Clean;

pub(super) fn run(args: &Replay, verbose: bool) -> anyhow::Result<()> {
    let stream = Stream::open(&args.inputs);
    let filter = filter(&args.wanted, &args.times, &stream)?;
    let sinks = view::sinks(args.view, verbose)?;
    play(stream, Session::new(filter, args.count.map(u64::from), sinks))
}

/// Tells a session what recordings hold. What cannot be read is said at once, and at the end by an error.
pub(super) fn play(mut stream: Stream, session: Session) -> anyhow::Result<()> {
    let mut session = session.of_hosts(stream.hosts());
    while let Some(told) = stream.next_told() {
        match told {
            Told::Event(host, event) => tell(&mut session, host, event).context(CANNOT_WRITE)?,
            Told::Ended(host) => session.end(host).context(CANNOT_WRITE)?,
            Told::Note(note) => log::warn!("{}", Clean(&note)),
        }
    }
    let cpu = stream.account().and_then(|account| account.cpu());
    session.finish(cpu).context(CANNOT_WRITE)?;
    match stream.failed() {
        0 => Ok(()),
        1 => bail!("one input could not be read as a whole; see above"),
        failed => bail!("{failed} inputs could not be read as a whole; see above"),
    }
}

/// Words go out when time passes, as in a live run: a recording may come through a pipe while it is made.
fn tell(session: &mut Session, host: HostId, event: Event) -> io::Result<()> {
    let time_passes = matches!(event, Event::Tick { .. });
    session.take(host, event)?;
    if time_passes { session.flush() } else { Ok(()) }
}

/// What is wanted of recordings. To be asked before they are read.
pub(super) fn filter(wanted: &Wanted, times: &Times, stream: &Stream) -> anyhow::Result<Filter> {
    let namespaces = wanted.netns.iter().map(recorded).collect::<Result<_, _>>()?;
    let span = span(times, stream)?;
    Ok(Filter { span, ..wanted.filter(namespaces) })
}

/// The moments the user named, as wall-clock time.
fn span(times: &Times, stream: &Stream) -> anyhow::Result<Span> {
    let named = [times.since, times.until];
    let Extent { first, last } = if named.into_iter().flatten().any(When::needs_end) {
        stream.extent()
    } else {
        Extent { first: stream.began(), last: None }
    };
    let zone = TimeZone::system();
    let resolve = |when: When| when.resolve(first, last, &zone).map_err(anyhow::Error::msg);
    let [since, until] = named.map(|when| when.map(resolve).transpose());
    let span = Span { since: since?, until: until? };
    if span.since.zip(span.until).is_some_and(|(since, until)| since > until) {
        bail!("--since lies after --until, so there is nothing to show. Swap them");
    }
    Ok(span)
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
