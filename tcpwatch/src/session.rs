//! *The* loop: event → tap → timeline → engine → filter → sinks. Live and replay both run it.

mod brain;
mod desk;
mod overlap;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::event::{Event, HostDescribed, HostId};
use crate::explain::verdict::{Conclusion, Totals};
use crate::filter::Filter;
use crate::fleet::{Fleet, Saying};
use crate::recording::{Account, Recorder};
use crate::sink::{Sink, Summary};

use brain::Brain;
use desk::Desk;

/// Everything from the first event to the totals.
pub struct Session {
    tap: Option<Recorder>,
    brains: BTreeMap<HostId, Brain>,
    /// Puts together what several hosts conclude; one host needs nobody between itself and the desk.
    fleet: Option<Fleet>,
    desk: Desk,
}

impl Session {
    /// After `count` verdicts shown nothing new is shown.
    pub fn new(filter: Filter, count: Option<u64>, sinks: Vec<Box<dyn Sink>>) -> Self {
        let desk = Desk::new(filter, count, sinks);
        Self { tap: None, brains: BTreeMap::new(), fleet: None, desk }
    }

    /// Also records everything it is told.
    pub fn recorded_by(mut self, recorder: Option<Recorder>) -> Self {
        self.tap = recorder;
        self
    }

    /// Events will come of so many hosts.
    pub fn of_hosts(mut self, hosts: usize) -> Self {
        self.fleet = (hosts > 1).then(Fleet::default);
        self
    }

    /// Takes events as they were drained, and works on them when a tick says that time has passed. So the same
    /// events in the same order give the same words, however they were cut into portions.
    pub fn feed(&mut self, events: impl IntoIterator<Item = Event>) -> io::Result<()> {
        events.into_iter().try_for_each(|event| self.take(HostId::default(), event))
    }

    /// The next event of one host.
    pub fn take(&mut self, host: HostId, event: Event) -> io::Result<()> {
        // Without a fleet hosts come one after the other.
        let host = if self.fleet.is_some() { host } else { HostId::default() };
        if let Some(recorder) = &mut self.tap {
            recorder.record(&event);
        }
        if let Event::HostDescribed(described) = &event {
            self.begin_stream(host, described)?;
        }
        self.introduce(host, &event)?;
        let time_passed = matches!(event, Event::Tick { .. });
        self.brain(host).push(event);
        while time_passed && let Some(event) = self.brain(host).next_ready() {
            self.observe(host, &event)?;
        }
        if time_passed { self.release() } else { Ok(()) }
    }

    /// Nothing more comes of this host.
    pub fn end(&mut self, host: HostId) -> io::Result<()> {
        if self.fleet.is_none() {
            return Ok(());
        }
        self.end_stream(host)?;
        if let Some(fleet) = &mut self.fleet {
            fleet.end(host);
        }
        self.release()
    }

    /// Writes what was gathered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.desk.flush()
    }

    /// Something waits for time to pass: ticks are wanted.
    pub fn pending(&self) -> bool {
        self.brains.values().any(Brain::pending)
    }

    /// As many verdicts were shown as were asked for.
    pub fn is_done(&self) -> bool {
        self.desk.is_done()
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

    /// Closes what is open, and gives account. `cpu` is the run's own time, where it was measured.
    pub fn finish(mut self, cpu: Option<Duration>) -> io::Result<Ended> {
        let hosts: Vec<_> = self.brains.keys().copied().collect();
        for host in hosts {
            self.end_stream(host)?;
            self.fleet.iter_mut().for_each(|fleet| fleet.end(host));
        }
        self.release()?;
        let totals = self.totals();
        let summary = Summary { totals: &totals, hidden: self.desk.hidden(), cpu };
        self.desk.totals(&summary)?;
        let account = Account::new(totals.explained, totals.unexplained, totals.lost, cpu);
        let recording = self.tap.map_or(Ok(()), |recorder| recorder.finish(account));
        Ok(Ended { totals, recording })
    }

    fn brain(&mut self, host: HostId) -> &mut Brain {
        self.brains.entry(host).or_insert_with(Brain::new)
    }

    fn begin_stream(&mut self, host: HostId, described: &HostDescribed) -> io::Result<()> {
        self.end_stream(host)?;
        let verdicts = self.desk.verdicts();
        let brain = self.brain(host);
        brain.begin_stream(described, verdicts);
        let described = brain.host.clone();
        if let (Some(fleet), Some(described)) = (&mut self.fleet, described) {
            fleet.begin(host, described);
        }
        Ok(())
    }

    fn end_stream(&mut self, host: HostId) -> io::Result<()> {
        while let Some(event) = self.brain(host).next_remaining() {
            self.observe(host, &event)?;
        }
        let conclusions = self.brain(host).finish();
        self.tell(host, conclusions)
    }

    fn introduce(&mut self, host: HostId, event: &Event) -> io::Result<()> {
        if self.fleet.is_some()
            && let Some(described) = self.brain(host).host.clone()
        {
            self.desk.turn_to(&described)?;
        }
        self.desk.introduce(event)
    }

    fn observe(&mut self, host: HostId, event: &Event) -> io::Result<()> {
        if let Some(fleet) = &mut self.fleet {
            fleet.observe(host, event);
        }
        let conclusions = self.brain(host).observe(event);
        self.tell(host, conclusions)?;
        let repeats = self.brain(host).repeats(event);
        match (event, &mut self.fleet) {
            (Event::EventsLost(_), _) if repeats => {}
            (Event::EventsLost(lost), Some(fleet)) => fleet.lost(host, lost),
            (Event::EventsLost(lost), None) => self.desk.lost(lost)?,
            _ => {}
        }
        match self.brain(host).passed(event) {
            Some(time) if self.fleet.is_none() => self.desk.until(time),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, host: HostId, conclusions: Vec<Conclusion>) -> io::Result<()> {
        for conclusion in conclusions {
            if let Some(recorder) = &mut self.tap {
                recorder.concluded(conclusion.code());
            }
            match &mut self.fleet {
                Some(fleet) => fleet.take(host, conclusion),
                None => self.desk.tell(conclusion)?,
            }
        }
        Ok(())
    }

    /// What the fleet has put in order.
    fn release(&mut self) -> io::Result<()> {
        while let Some((host, saying)) = self.fleet.as_mut().and_then(Fleet::next_ready) {
            self.desk.turn_to(&host)?;
            match saying {
                Saying::Conclusion(conclusion) => self.desk.tell(conclusion)?,
                Saying::Lost(lost) => self.desk.lost(&lost)?,
                Saying::Until(time) => self.desk.until(time)?,
            }
        }
        Ok(())
    }

    fn totals(&mut self) -> Totals {
        let mut totals = Totals::default();
        for (host, brain) in std::mem::take(&mut self.brains) {
            let of_host = brain.totals();
            totals.add(match &self.fleet {
                Some(fleet) => fleet.named(host, of_host),
                None => of_host,
            });
        }
        if let Some(fleet) = &self.fleet {
            fleet.correct(&mut totals);
        }
        totals
    }
}

/// What is left when a session is over.
pub struct Ended {
    pub totals: Totals,
    /// Why the recording is not whole, if one was wanted.
    pub recording: anyhow::Result<()>,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;

    use super::*;
    use crate::event::Time;
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
