//! How often was each hook passed over, because a program was running on that processor already?
//!
//! The kernel guards its tracing programs against themselves: an fentry program does not run on top of itself, a kprobe
//! not on top of any kprobe (kernel/trace/bpf_trace.c, `trace_call_bpf`; kernel/bpf/trampoline.c,
//! `__bpf_prog_enter_recur`). What it passes over it counts, and shows beside the descriptor of the program; before 5.12
//! it does not count. Of hooks that seldom have anything to tell it is not asked: what they are passed over for is hardly
//! ever theirs to tell.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::event::{EventsLost, Fact, LossStage, Time};

/// The counts as of the last look.
#[derive(Debug, Default)]
pub(super) struct Nested {
    counted: BTreeMap<Fact, u64>,
    looked: Time,
}

impl Nested {
    pub(super) fn new(now: Time) -> Self {
        Self { counted: BTreeMap::new(), looked: now }
    }

    /// What was passed over since the last look. One small file is read for each program.
    pub(super) fn since_last<'a>(
        &mut self,
        programs: impl Iterator<Item = (Fact, BorrowedFd<'a>)>,
        now: Time,
    ) -> Vec<EventsLost> {
        let mut counts = BTreeMap::new();
        for (fact, program) in programs {
            *counts.entry(fact).or_default() += misses(program).unwrap_or(0);
        }
        let lost = self.grown(&counts, now);
        (self.counted, self.looked) = (counts, now);
        lost
    }

    /// A program that was attached anew counts from zero.
    fn grown(&self, counts: &BTreeMap<Fact, u64>, until: Time) -> Vec<EventsLost> {
        let before = |fact| self.counted.get(fact).copied().unwrap_or(0);
        let grown = counts.iter().map(|(fact, count)| (*fact, count.saturating_sub(before(fact))));
        let (since, stage) = (self.looked, LossStage::Nested);
        grown
            .filter(|(_, count)| *count > 0)
            .map(|(fact, count)| EventsLost { since, until, fact, count, stage })
            .collect()
    }
}

fn misses(program: BorrowedFd<'_>) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    parse(&fs::read_to_string(path).ok()?)
}

fn parse(fdinfo: &str) -> Option<u64> {
    let value = fdinfo.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_beside_the_descriptor() {
        let text =
            "pos:\t0\nprog_type:\t2\nrun_cnt:\t0\nrecursion_misses:\t7\nverified_insns:\t120\n";
        assert_eq!(parse(text), Some(7));
        assert_eq!(parse("pos:\t0\n"), None);
    }

    #[test]
    fn only_growth_is_told() {
        let mut nested = Nested::new(Time(5));
        nested.counted = BTreeMap::from([(Fact::RstSent, 3), (Fact::RstReceived, 9)]);
        let counts = BTreeMap::from([(Fact::RstSent, 5), (Fact::RstReceived, 9)]);
        let lost = nested.grown(&counts, Time(9));
        let [lost] = lost.as_slice() else { panic!("{lost:?}") };
        assert_eq!((lost.fact, lost.count, lost.stage), (Fact::RstSent, 2, LossStage::Nested));
        assert_eq!((lost.since, lost.until), (Time(5), Time(9)));
    }

    #[test]
    fn a_hook_attached_anew_has_lost_nothing() {
        let mut nested = Nested::new(Time(5));
        nested.counted = BTreeMap::from([(Fact::RstSent, 3)]);
        assert_eq!(nested.grown(&BTreeMap::from([(Fact::RstSent, 0)]), Time(9)), []);
    }
}
