//! Events through the whole of the brain, and what comes out: as bytes, or as conclusions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use tcpwatch::event::{CoverageDeclared, Event, EventsLost, HostDescribed};
use tcpwatch::explain::verdict::{Amendment, Certainty, Explanation, Finding, Totals, Verdict};
use tcpwatch::filter::Filter;
use tcpwatch::session::Session;
use tcpwatch::sink::{Clock, Explain, Json, Paint, Sink, Summary};

/// What `tcpwatch replay` writes.
pub(crate) struct Said {
    /// With `--explain`, in UTC.
    pub(crate) text: String,
    /// With `-o json`.
    pub(crate) json: String,
}

/// What was concluded, in the order it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) amendments: Vec<Amendment>,
    /// Verdicts and amendments in words.
    pub(crate) told: Vec<String>,
    pub(crate) totals: Totals,
}

/// Says everything, the portions fed one after the other.
pub(crate) fn say(portions: impl IntoIterator<Item = Vec<Event>>, cpu: Option<Duration>) -> Said {
    let (text, json) = (Shared::default(), Shared::default());
    let explain = Explain::new(Clock::utc(), Paint::PLAIN, WIDTH, text.clone());
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(explain), Box::new(Json::new(json.clone()))];
    let mut session = Session::new(Filter::default(), None, sinks);
    for portion in portions {
        session.feed(portion).and_then(|()| session.flush()).expect("memory takes all bytes");
    }
    session.finish(cpu).expect("memory takes all bytes");
    Said { text: text.into_text(), json: json.into_text() }
}

/// Judges a whole stream.
pub(crate) fn judge(events: impl IntoIterator<Item = Event>) -> Judged {
    judge_in_two(events).1
}

/// Judges a stream; first what was told while it ran, then all.
pub(crate) fn judge_in_two(events: impl IntoIterator<Item = Event>) -> (Vec<String>, Judged) {
    let judge = Judge::default();
    let mut session = Session::new(Filter::default(), None, vec![Box::new(judge.clone())]);
    session.feed(events).expect("a judge takes all");
    let so_far = judge.0.borrow().told.clone();
    session.finish(None).expect("a judge takes all");
    (so_far, judge.0.take())
}

/// One reset, whatever the number of its verdict.
pub(crate) type Reset = String;

impl Judged {
    /// Causes claimed as seen, by the reset they are claimed of.
    pub(crate) fn firm(&self) -> BTreeMap<Reset, &'static str> {
        let verdicts = self.verdicts.iter().filter_map(|verdict| match &verdict.finding {
            Finding::Explained(best) => Some((reset(verdict), firm(best)?)),
            Finding::Unexplained { .. } => None,
        });
        let later = self.amendments.iter().filter_map(|amendment| {
            let amended = self.verdicts.iter().find(|verdict| verdict.id == amendment.of)?;
            let amended = format!("{}, later", reset(amended));
            Some((amended, firm(&amendment.explanation)?))
        });
        verdicts.chain(later).collect()
    }

    /// What each reset is explained by, firmly or not.
    pub(crate) fn causes(&self) -> BTreeMap<Reset, &'static str> {
        let explained = self.verdicts.iter().filter_map(|verdict| match &verdict.finding {
            Finding::Explained(best) => Some((reset(verdict), best.cause.code())),
            Finding::Unexplained { .. } => None,
        });
        explained.collect()
    }

    pub(crate) fn judged(&self) -> u64 {
        self.totals.explained + self.totals.unexplained
    }
}

fn firm(explanation: &Explanation) -> Option<&'static str> {
    let is_firm = explanation.certainty > Certainty::Inferred;
    is_firm.then(|| explanation.cause.code())
}

fn reset(verdict: &Verdict) -> Reset {
    let Verdict { netns, time, direction, flow, .. } = verdict;
    format!("{direction} in {netns} at {time}, local {}, remote {}", flow.local, flow.remote)
}

/// A sink that keeps everything.
#[derive(Clone, Default)]
struct Judge(Rc<RefCell<Judged>>);

impl Sink for Judge {
    fn host(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn started(&mut self, _: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn coverage(&mut self, _: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        let mut judged = self.0.borrow_mut();
        judged.told.push(format!("{verdict:?}"));
        judged.verdicts.push(verdict.clone());
        Ok(())
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        let mut judged = self.0.borrow_mut();
        judged.told.push(format!("{amendment:?}"));
        judged.amendments.push(amendment.clone());
        Ok(())
    }

    fn lost(&mut self, _: &EventsLost) -> io::Result<()> {
        Ok(())
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        self.0.borrow_mut().totals = summary.totals.clone();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that can still be read when its sink is gone.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Shared {
    fn into_text(self) -> String {
        String::from_utf8(self.0.take()).expect("sinks write UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Columns, as where stdout is no terminal.
const WIDTH: usize = 100;
