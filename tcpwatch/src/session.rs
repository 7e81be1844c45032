//! *The* loop: event → tap → timeline → engine → filter → sinks. Live and replay both run it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::event::{Event, Time};
use crate::explain::verdict::{Amendment, Conclusion, Totals, Verdict};
use crate::filter::{Filter, Gate, Passage};
use crate::recording::{Account, Recorder};
use crate::sink::{Sink, Summary};
use crate::timeline::Timeline;

/// Everything from the first event to the totals. It may hold several streams: recordings of one run after another.
pub struct Session {
    tap: Option<Recorder>,
    /// Nothing else is wanted than what `tap` does.
    for_its_recording: bool,
    timeline: Timeline,
    engine: Engine,
    /// The account of the streams that came before the present one.
    before: Totals,
    desk: Desk,
    /// Latest time told to the sinks.
    until: Time,
}

impl Session {
    /// After `count` verdicts shown nothing new is shown.
    pub fn new(filter: Filter, count: Option<u64>, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            tap: None,
            for_its_recording: false,
            timeline: Timeline::new(SLACK),
            engine: Engine::new(),
            before: Totals::default(),
            desk: Desk { gate: Gate::new(filter), sinks, count, verdicts: 0, shown: 0 },
            until: Time::default(),
        }
    }

    /// Also records everything it is told.
    pub fn recorded_by(mut self, recorder: Option<Recorder>) -> Self {
        self.tap = recorder;
        self
    }

    /// It has nothing more to do once its recording has stopped.
    pub fn for_its_recording(mut self) -> Self {
        self.for_its_recording = true;
        self
    }

    /// Takes events as they were drained, and works on them when a tick says that time has passed. So the same
    /// events in the same order give the same words, however they were cut into portions.
    pub fn feed(&mut self, events: impl IntoIterator<Item = Event>) -> io::Result<()> {
        events.into_iter().try_for_each(|event| self.take(event))
    }

    fn take(&mut self, event: Event) -> io::Result<()> {
        if let Some(recorder) = &mut self.tap {
            recorder.record(&event);
        }
        if let Event::HostDescribed(_) = event {
            self.begin_stream()?;
        }
        self.desk.introduce(&event)?;
        let time_passed = matches!(event, Event::Tick { .. });
        self.timeline.push(event);
        while time_passed && let Some(event) = self.timeline.next_ready() {
            self.observe(&event)?;
        }
        Ok(())
    }

    /// A host is described first of all: what came before was another stream, with another clock.
    fn begin_stream(&mut self) -> io::Result<()> {
        self.end_stream()?;
        let engine = Engine::after(self.desk.verdicts);
        self.before.add(std::mem::replace(&mut self.engine, engine).totals());
        self.timeline = Timeline::new(SLACK);
        self.until = Time::default();
        Ok(())
    }

    fn end_stream(&mut self) -> io::Result<()> {
        while let Some(event) = self.timeline.next_remaining() {
            self.observe(&event)?;
        }
        let conclusions = self.engine.finish();
        self.tell(conclusions)
    }

    /// Writes what a flight recorder remembers, because the user asked for it.
    pub fn trigger(&mut self, reason: &str) {
        if let Some(recorder) = &mut self.tap {
            recorder.trigger(reason.to_owned());
        }
    }

    /// [`Self::trigger`] does something.
    pub fn has_flight_recorder(&self) -> bool {
        self.tap.as_ref().is_some_and(Recorder::is_flight_recorder)
    }

    fn tell(&mut self, conclusions: Vec<Conclusion>) -> io::Result<()> {
        if let Some(recorder) = &mut self.tap {
            for conclusion in &conclusions {
                recorder.concluded(conclusion.code());
            }
        }
        self.desk.tell(conclusions)
    }

    /// Writes what was gathered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.desk.each(|sink| sink.flush())
    }

    /// Something waits for time to pass: ticks are wanted.
    pub fn pending(&self) -> bool {
        self.timeline.holds_events() || self.engine.pending()
    }

    /// As many verdicts were shown as were asked for, or nothing that was asked for can be done any more.
    pub fn is_done(&self) -> bool {
        let recorded = || self.tap.as_ref().is_some_and(Recorder::has_stopped);
        self.desk.is_done() || self.for_its_recording && recorded()
    }

    /// Closes what is open, and gives account. `cpu` is the run's own time, where it was measured.
    pub fn finish(mut self, cpu: Option<Duration>) -> io::Result<Ended> {
        self.end_stream()?;
        let mut totals = self.before;
        totals.add(self.engine.totals());
        let summary = Summary { totals: &totals, hidden: self.desk.hidden(), cpu };
        self.desk.each(|sink| sink.totals(&summary))?;
        self.desk.each(|sink| sink.flush())?;
        let account = Account::new(totals.explained, totals.unexplained, totals.lost, cpu);
        let recording = self.tap.map_or(Ok(()), |recorder| recorder.finish(Some(account)));
        Ok(Ended { totals, recording })
    }

    fn observe(&mut self, event: &Event) -> io::Result<()> {
        let conclusions = self.engine.observe(event);
        self.tell(conclusions)?;
        if let Event::EventsLost(lost) = event {
            self.desk.each(|sink| sink.lost(lost))?;
        }
        if event.time() > self.until {
            self.until = event.time();
            self.desk.each(|sink| sink.until(event.time()))?;
        }
        Ok(())
    }
}

/// What is left when a session is over.
pub struct Ended {
    pub totals: Totals,
    /// Why the recording is not whole, if one was wanted.
    pub recording: anyhow::Result<()>,
}

/// Twice the interval at which a running kernel is drained, so that a late wake-up does not cost an event. A
/// recording is replayed with the same: the same order, the same losses.
const SLACK: Duration = Duration::from_millis(20);

/// Hands conclusions to the sinks, as far as they are wanted.
struct Desk {
    gate: Gate,
    sinks: Vec<Box<dyn Sink>>,
    count: Option<u64>,
    verdicts: u64,
    shown: u64,
}

impl Desk {
    /// Clocks and coverage go out at once: everything after needs them.
    fn introduce(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::HostDescribed(host) => self.each(|sink| sink.started(host)),
            Event::CoverageDeclared(coverage) => self.each(|sink| sink.coverage(coverage)),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, conclusions: Vec<Conclusion>) -> io::Result<()> {
        conclusions.into_iter().try_for_each(|conclusion| match conclusion {
            Conclusion::Verdict(verdict) => self.verdict(verdict),
            Conclusion::Amendment(amendment) => self.amendment(&amendment),
        })
    }

    fn verdict(&mut self, verdict: Arc<Verdict>) -> io::Result<()> {
        self.verdicts += 1;
        if self.is_done() {
            return Ok(());
        }
        match self.gate.verdict(verdict) {
            Some(verdict) => self.show(&verdict),
            None => Ok(()),
        }
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        match self.gate.amendment(amendment) {
            Passage::Hide => return Ok(()),
            Passage::ShowAfter(_) if self.is_done() => return Ok(()),
            Passage::ShowAfter(verdict) => self.show(&verdict)?,
            Passage::Show => {}
        }
        self.each(|sink| sink.amendment(amendment))
    }

    fn show(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.shown += 1;
        self.each(|sink| sink.verdict(verdict))
    }

    fn is_done(&self) -> bool {
        self.count.is_some_and(|count| self.shown >= count)
    }

    fn hidden(&self) -> u64 {
        self.verdicts - self.shown
    }

    fn each(&mut self, tell: impl FnMut(&mut Box<dyn Sink>) -> io::Result<()>) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(tell)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;

    use super::*;
    use crate::explain::story::Story;
    use crate::sink::{Clock, Json, Line, Paint};

    /// A file that can still be read when its sink is gone.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn two_refusals() -> Vec<Event> {
        let story = Story::new().after(5).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000");
        story.after(5).syn_meets_nobody("10.0.0.1:81", "10.0.0.9:40001").events()
    }

    fn written(filter: Filter, count: Option<u64>) -> String {
        let shared = Shared::default();
        let sink = Line::new(Clock::utc(), Paint::PLAIN, shared.clone());
        let mut session = Session::new(filter, count, vec![Box::new(sink)]);
        session.feed(two_refusals()).unwrap();
        session.finish(None).unwrap();
        String::from_utf8(shared.0.take()).unwrap()
    }

    #[test]
    fn every_verdict_is_shown_and_counted() {
        let text = written(Filter::default(), None);
        assert!(text.contains("#1 sent 10.0.0.1:80 "), "{text}");
        assert!(text.contains("#2 sent 10.0.0.1:81 "), "{text}");
        assert!(text.contains("totals    2 explained, 0 unexplained, 0 lost\n"), "{text}");
    }

    #[test]
    fn filters_hide_but_the_account_stays_whole() {
        let filter = Filter { ports: vec!["81".parse().unwrap()], ..Filter::default() };
        let text = written(filter, None);
        assert!(!text.contains("#1 "), "{text}");
        assert!(text.contains("2 explained, 0 unexplained, 0 lost; 1 not shown"), "{text}");
    }

    #[test]
    fn a_count_stops_the_showing() {
        let text = written(Filter::default(), Some(1));
        assert!(text.contains("#1 ") && !text.contains("#2 "), "{text}");
        assert!(text.contains("2 explained, 0 unexplained, 0 lost; 1 not shown"), "{text}");
    }

    #[test]
    fn nobody_reading_is_an_error_to_be_told() {
        let mut session = Session::new(Filter::default(), None, vec![Box::new(Json::new(Closed))]);
        session.feed(two_refusals()).unwrap();
        session.feed([Event::Tick { time: Time(u64::MAX) }]).unwrap();
        assert_eq!(session.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
