//! Hands conclusions to the sinks, as far as they are wanted.

use std::io;
use std::sync::Arc;

use crate::event::{Event, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Conclusion, Verdict};
use crate::filter::{Filter, Gate, Passage, Span};
use crate::sink::{Sink, Summary};

/// Filters, sinks, and what was said so far.
pub(super) struct Desk {
    span: Span,
    gate: Gate,
    sinks: Vec<Box<dyn Sink>>,
    count: Option<u64>,
    verdicts: u64,
    shown: u64,
    /// Whose words come, where there are several hosts.
    speaker: Option<Arc<HostDescribed>>,
    /// Wall clock minus boot clock of whoever speaks, in nanoseconds.
    offset: i128,
}

impl Desk {
    pub(super) fn new(filter: Filter, count: Option<u64>, sinks: Vec<Box<dyn Sink>>) -> Self {
        let span = filter.span;
        let gate = Gate::new(filter);
        Self { span, gate, sinks, count, verdicts: 0, shown: 0, speaker: None, offset: 0 }
    }

    /// Clocks and coverage go out at once: everything after needs them.
    pub(super) fn introduce(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::HostDescribed(host) => {
                self.offset = host.wall_offset();
                self.each(|sink| sink.started(host))
            }
            Event::CoverageDeclared(coverage) => self.each(|sink| sink.coverage(coverage)),
            _ => Ok(()),
        }
    }

    /// What follows is of this one of several hosts.
    pub(super) fn turn_to(&mut self, host: &Arc<HostDescribed>) -> io::Result<()> {
        if self.speaker.as_ref().is_some_and(|speaker| Arc::ptr_eq(speaker, host)) {
            return Ok(());
        }
        self.speaker = Some(Arc::clone(host));
        self.offset = host.wall_offset();
        self.each(|sink| sink.host(host))
    }

    pub(super) fn tell(&mut self, conclusion: Conclusion) -> io::Result<()> {
        match conclusion {
            Conclusion::Verdict(verdict) => self.verdict(verdict),
            Conclusion::Amendment(amendment) => self.amendment(&amendment),
        }
    }

    fn verdict(&mut self, verdict: Arc<Verdict>) -> io::Result<()> {
        self.verdicts += 1;
        if self.is_done() || !self.span.contains(self.wall(verdict.time)) {
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

    /// Losses of no known number are for the engine only.
    pub(super) fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        let wanted = self.span.touches(self.wall(lost.since), self.wall(lost.until));
        if lost.count > 0 && wanted { self.each(|sink| sink.lost(lost)) } else { Ok(()) }
    }

    pub(super) fn until(&mut self, time: Time) -> io::Result<()> {
        self.each(|sink| sink.until(time))
    }

    pub(super) fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        self.each(|sink| sink.totals(summary))?;
        self.flush()
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.each(|sink| sink.flush())
    }

    fn show(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.shown += 1;
        self.each(|sink| sink.verdict(verdict))
    }

    /// As many verdicts were shown as were asked for.
    pub(super) fn is_done(&self) -> bool {
        self.count.is_some_and(|count| self.shown >= count)
    }

    /// Verdicts so far, shown or not.
    pub(super) fn verdicts(&self) -> u64 {
        self.verdicts
    }

    pub(super) fn hidden(&self) -> u64 {
        self.verdicts - self.shown
    }

    fn wall(&self, time: Time) -> i128 {
        self.offset + i128::from(time.0)
    }

    fn each(&mut self, tell: impl FnMut(&mut Box<dyn Sink>) -> io::Result<()>) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(tell)
    }
}
