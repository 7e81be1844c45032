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
    /// Nothing else is wanted than what `tap` does.
    for_its_recording: bool,
    brains: BTreeMap<HostId, Brain>,
    /// Puts together what several hosts conclude; one host needs nobody between itself and the desk.
    fleet: Option<Fleet>,
    desk: Desk,
}

impl Session {
    /// After `count` verdicts shown nothing new is shown.
    pub fn new(filter: Filter, count: Option<u64>, sinks: Vec<Box<dyn Sink>>) -> Self {
        let desk = Desk::new(filter, count, sinks);
        Self { tap: None, for_its_recording: false, brains: BTreeMap::new(), fleet: None, desk }
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

    /// As many verdicts were shown as were asked for, or nothing that was asked for can be done any more.
    pub fn is_done(&self) -> bool {
        let recorded = || self.tap.as_ref().is_some_and(Recorder::has_stopped);
        self.desk.is_done() || self.for_its_recording && recorded()
    }

    /// Writes what a flight recorder remembers, because the user asked for it.
    pub fn trigger(&mut self, reason: &str) {
        if let Some(recorder) = &mut self.tap {
            recorder.trigger(reason);
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
        let recording = self.tap.map_or(Ok(()), |recorder| recorder.finish(Some(account)));
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
    use crate::event::{Fact, Time};
    use crate::explain::story::Story;
    use crate::filter::Span;
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

    fn said(session: impl FnOnce(&mut Session), filter: Filter) -> String {
        let shared = Shared::default();
        let sink = Line::new(Clock::utc(), Paint::PLAIN, shared.clone());
        let mut told = Session::new(filter, None, vec![Box::new(sink)]);
        session(&mut told);
        told.finish(None).unwrap();
        String::from_utf8(shared.0.take()).unwrap()
    }

    /// Nanoseconds since 1970 of what a story tells first; its run began 100 ms before.
    fn wall(after_ms: u64) -> i128 {
        1_700_000_000_000_000_000 + i128::from(100 + after_ms) * 1_000_000
    }

    #[test]
    fn a_span_hides_and_keeps_the_memory_from_before() {
        let span = Span { since: Some(wall(8)), until: None };
        let text = said(
            |session| session.feed(two_refusals()).unwrap(),
            Filter { span, ..Filter::default() },
        );
        assert!(!text.contains("#1 ") && text.contains("#2 sent"), "{text}");
        assert!(text.contains("2 explained, 0 unexplained, 0 lost; 1 not shown"), "{text}");
        let span = Span { since: None, until: Some(wall(8)) };
        let text = said(
            |session| session.feed(two_refusals()).unwrap(),
            Filter { span, ..Filter::default() },
        );
        assert!(text.contains("#1 sent") && !text.contains("#2 "), "{text}");
    }

    #[test]
    fn losses_outside_the_span_are_counted_and_not_shown() {
        let loses = || Story::new().after(5).loses_events(Fact::RstSent, 1).events();
        for (since, shown) in [(wall(4), true), (wall(6), false)] {
            let filter =
                Filter { span: Span { since: Some(since), until: None }, ..Filter::default() };
            let text = said(|session| session.feed(loses()).unwrap(), filter);
            assert_eq!(text.contains("lost 1 (resets sent)"), shown, "{text}");
            assert!(text.contains("0 unexplained, 1 lost"), "{text}");
        }
    }

    #[test]
    fn a_loss_of_unknown_number_is_for_the_engine_only() {
        let mut events = Story::new().after(5).loses_events(Fact::RstSent, 1).events();
        if let Some(Event::EventsLost(lost)) = events.last_mut() {
            lost.count = 0;
        }
        let text = said(|session| session.feed(events).unwrap(), Filter::default());
        assert!(!text.contains("(resets sent)") && text.contains("0 lost"), "{text}");
    }

    /// What a recording says may be as large as it likes.
    #[test]
    fn no_number_is_too_large_to_be_summed() {
        let lost = || Story::new().after(5).loses_events(Fact::RstSent, 1).after(5);
        let events = |story: Story| {
            let mut events = story.loses_events(Fact::RstSent, 1).events();
            for event in &mut events {
                if let Event::EventsLost(lost) = event {
                    lost.count = u64::MAX;
                }
            }
            events
        };
        let twice = |session: &mut Session| {
            session.feed(events(lost())).unwrap();
            session.feed(events(lost().after(900).loses_events(Fact::RstSent, 1))).unwrap();
        };
        let text = said(twice, Filter::default());
        assert!(text.contains(&format!("0 unexplained, {} lost", u64::MAX)), "{text}");
    }

    #[test]
    fn a_second_run_goes_on_where_the_first_one_ended() {
        let later = Story::new().after(9_000).syn_meets_nobody("10.0.0.1:82", "10.0.0.9:40002");
        let mut second = later.events();
        if let Some(Event::HostDescribed(host)) = second.first_mut() {
            host.time = host.time.plus(Duration::from_secs(5));
        }
        let both = |session: &mut Session| {
            session.feed(two_refusals()).unwrap();
            session.feed(second).unwrap();
        };
        let text = said(both, Filter::default());
        for line in ["#1 sent 10.0.0.1:80", "#2 sent 10.0.0.1:81", "#3 sent 10.0.0.1:82"] {
            assert_eq!(text.matches(line).count(), 1, "{text}");
        }
        assert!(text.contains("totals    3 explained"), "{text}");
    }

    /// Two recorded the same host at the same time, the second for longer.
    #[test]
    fn what_one_recording_has_told_the_next_does_not_tell_again() {
        let more = |story: Story| {
            story
                .after(900)
                .loses_events(Fact::RstSent, 1)
                .syn_meets_nobody("10.0.0.1:82", "10.0.0.9:40002")
        };
        let first = || Story::new().after(5).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000");
        let both = |session: &mut Session| {
            session.feed(first().loses_events(Fact::RstSent, 1).events()).unwrap();
            session.feed(more(first().loses_events(Fact::RstSent, 1)).events()).unwrap();
        };
        let text = said(both, Filter::default());
        assert_eq!(text.matches(" sent 10.0.0.1:80 ").count(), 1, "{text}");
        assert_eq!(text.matches(" sent 10.0.0.1:82 ").count(), 1, "{text}");
        assert!(text.contains("totals    2 explained, 0 unexplained, 2 lost\n"), "{text}");
        assert!(text.contains("cause   no-listener: 2\n"), "{text}");
    }

    /// The account of a namespace goes on from recording to recording, each part once.
    #[test]
    fn accounts_of_overlapping_recordings_add_up_to_one() {
        let refuses = |story: Story, from: u32, to: u32| {
            (from..to).fold(story, |story, n| {
                let story =
                    story.after(10).syn_meets_nobody("10.0.0.1:80", &format!("10.0.0.9:{n}"));
                story.after(10).reads_counters(u64::from(n) + 1)
            })
        };
        let begin = || Story::new().reads_counters(0);
        let both = |session: &mut Session| {
            session.feed(refuses(begin(), 0, 3).events()).unwrap();
            session.feed(refuses(begin(), 0, 5).events()).unwrap();
        };
        let text = said(both, Filter::default());
        let account = "netns   ns1 (net:[1]): 5 sent, kernel OutRsts 5, difference 0\n";
        assert!(text.contains(account), "{text}");
        assert!(text.contains("totals    5 explained"), "{text}");
    }

    #[test]
    fn several_hosts_keep_their_memories_apart() {
        let named = |name: &str, story: Story| {
            let mut events = story.events();
            if let Some(Event::HostDescribed(host)) = events.first_mut() {
                host.hostname = name.into();
            }
            events
        };
        // The listener that closed on one host explains nothing on the other, though all numbers are the same.
        let closes = Story::new().finds("0.0.0.0:80").after(5).closes("0.0.0.0:80", None);
        let one = named("one", closes.after(5).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:1"));
        let never = Story::new().after(10).syn_meets_nobody("10.0.0.1:80", "10.0.0.9:2");
        let other = named("other", never);
        let both = |session: &mut Session| {
            *session =
                std::mem::replace(session, Session::new(Filter::default(), None, Vec::new()))
                    .of_hosts(2);
            let merged = one.into_iter().map(|event| (0, event));
            let mut merged: Vec<_> = merged.chain(other.into_iter().map(|e| (1, e))).collect();
            merged.sort_by_key(|(_, event)| event.time());
            for (host, event) in merged {
                session.take(HostId(host), event).unwrap();
            }
        };
        let text = said(both, Filter::default());
        assert!(text.contains(" one #"), "{text}");
        let cause = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(cause(" one #").contains("listener-closed"), "{text}");
        assert!(cause(" other #").contains("no-listener"), "{text}");
    }

    #[test]
    fn nobody_reading_is_an_error_to_be_told() {
        let mut session = Session::new(Filter::default(), None, vec![Box::new(Json::new(Closed))]);
        session.feed(two_refusals()).unwrap();
        session.feed([Event::Tick { time: Time(u64::MAX) }]).unwrap();
        assert_eq!(session.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
