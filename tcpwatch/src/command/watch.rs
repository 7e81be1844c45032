//! The live loop: the kernel is drained, time is told, the session is fed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::CANNOT_WRITE;
use super::ready::Ready;
use super::urgent::Urgent;
use crate::cli::Watching;
use crate::event::Event;
use crate::session::Session;
use crate::source::{self, Live};

/// Opens this kernel and watches it until the user, the clock or a count ends it.
pub(super) fn run(
    args: &Watching,
    session: Session,
    duration: Option<Duration>,
    ready: Ready,
    stop: &Arc<Notify>,
) -> anyhow::Result<()> {
    let (btf, avoid) = (args.btf.clone(), args.avoid.clone());
    let options = source::Options { btf, avoid, host_root: args.host_root.clone() };
    run_on(|| source::open(&options), session, duration, ready, stop)
}

/// The same for a source of which something else is known as well. Opened inside the runtime.
pub(super) fn run_on(
    open: impl FnOnce() -> anyhow::Result<Box<dyn Live>>,
    session: Session,
    duration: Option<Duration>,
    ready: Ready,
    stop: &Notify,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut live = open()?;
        watch(live.as_mut(), session, duration, ready, stop).await
    })
}

/// The whole life of a run.
async fn watch(
    live: &mut dyn Live,
    mut session: Session,
    duration: Option<Duration>,
    ready: Ready,
    stop: &Notify,
) -> anyhow::Result<()> {
    let mut events = Vec::new();
    live.start(&mut events)?;
    feed(&mut session, &mut events)?;
    ready.tell();
    until_stopped(live, &mut session, duration, stop).await?;
    live.drain(&mut events);
    live.finish(&mut events);
    feed(&mut session, &mut events)?;
    session.finish(cpu_time()).context(CANNOT_WRITE)?.recording
}

async fn until_stopped(
    live: &mut dyn Live,
    session: &mut Session,
    duration: Option<Duration>,
    stop: &Notify,
) -> anyhow::Result<()> {
    let mut events = Vec::new();
    let deadline = duration.and_then(|duration| Instant::now().checked_add(duration));
    let (mut drain, mut slow) = (every(DRAIN), every(SLOW));
    let mut urgent = Urgent::new(live.urgent())?;
    let mut asked = session.has_flight_recorder().then(user_signal).transpose()?;
    // The first tick of an interval comes at once.
    slow.tick().await;
    while !session.is_done() {
        tokio::select! {
            biased;
            () = stop.notified() => break,
            () = reached(deadline) => break,
            _ = slow.tick() => step(live, session, &mut events, Pace::Slow),
            _ = drain.tick() => step(live, session, &mut events, Pace::Fast),
            () = next(&mut asked) => session.trigger("SIGUSR1"),
            () = urgent.next() => step(live, session, &mut events, Pace::Fast),
        }
        feed(session, &mut events)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Fast,
    Slow,
}

/// Collects what there is. The time of the tick is taken before the rings are emptied: whatever is older than the
/// tick is then in the same batch, however long we were kept from coming here.
fn step(live: &mut dyn Live, session: &Session, events: &mut Vec<Event>, pace: Pace) {
    let time = live.now();
    live.drain(events);
    if pace == Pace::Slow {
        live.slow(events);
    }
    if pace == Pace::Slow || session.pending() {
        events.push(Event::Tick { time });
    }
}

fn feed(session: &mut Session, events: &mut Vec<Event>) -> anyhow::Result<()> {
    session.feed(events.drain(..)).and_then(|()| session.flush()).context(CANNOT_WRITE)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Without a flight recorder the signal keeps its meaning.
fn user_signal() -> std::io::Result<Signal> {
    signal(SignalKind::user_defined1())
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

fn cpu_time() -> Option<Duration> {
    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

/// How often the rings are emptied: too short to notice, long enough to write many lines at once.
const DRAIN: Duration = Duration::from_millis(10);

/// How often counters, namespaces and modules are looked at.
const SLOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::{self, Read, pipe};

    use super::*;
    use crate::event::Time;
    use crate::explain::story::Story;
    use crate::filter::Filter;
    use crate::sink::{Clock, Line, Paint};

    /// A kernel that tells a story when it is drained.
    struct Told {
        start: Vec<Event>,
        story: Vec<Event>,
        now: Time,
    }

    impl Live for Told {
        fn start(&mut self, out: &mut Vec<Event>) -> anyhow::Result<()> {
            out.append(&mut self.start);
            Ok(())
        }

        fn drain(&mut self, out: &mut Vec<Event>) {
            out.append(&mut self.story);
            self.now = self.now.plus(Duration::from_secs(1));
        }

        fn slow(&mut self, _out: &mut Vec<Event>) {}

        fn finish(&mut self, _out: &mut Vec<Event>) {}

        fn now(&self) -> Time {
            self.now
        }
    }

    fn kernel() -> Told {
        let story =
            Story::new().after(5).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000").events();
        let now = story.last().unwrap().time();
        let (start, story) = (story[..2].to_vec(), story[2..].to_vec());
        Told { start, story, now }
    }

    fn watched(duration: Option<Duration>, count: Option<u64>, stop: &Notify) -> String {
        let (mut reader, writer) = pipe().unwrap();
        let sink = Line::new(Clock::utc(), Paint::PLAIN, writer);
        let session = Session::new(Filter::default(), count, vec![Box::new(sink)]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ready = Ready::new(None).unwrap();
        runtime.block_on(watch(&mut kernel(), session, duration, ready, stop)).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_count_ends_the_watch() {
        let text = watched(None, Some(1), &Notify::new());
        assert!(text.contains("#1 sent 10.0.0.1:80") && text.contains("1 explained"), "{text}");
    }

    #[test]
    fn no_time_at_all_still_gives_account() {
        let text = watched(Some(Duration::ZERO), None, &Notify::new());
        assert!(
            text.contains("totals    1 explained"),
            "what the rings hold is not thrown away: {text}"
        );
    }

    #[test]
    fn a_wish_to_stop_is_heard_even_before_the_loop() {
        let stop = Notify::new();
        stop.notify_one();
        assert!(watched(None, None, &stop).contains("totals    1 explained"));
    }

    #[test]
    fn a_closed_reader_ends_the_watch_with_a_broken_pipe() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let sink = Line::new(Clock::utc(), Paint::PLAIN, writer);
        let session = Session::new(Filter::default(), Some(1), vec![Box::new(sink)]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ready = Ready::new(None).unwrap();
        let stop = Notify::new();
        let error =
            runtime.block_on(watch(&mut kernel(), session, None, ready, &stop)).unwrap_err();
        assert_eq!(error.downcast::<io::Error>().unwrap().kind(), io::ErrorKind::BrokenPipe);
    }
}
