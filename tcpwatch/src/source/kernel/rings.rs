//! What have the hooks told since the last look, and what was lost?

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::Ebpf;
use aya::maps::{Array, MapData, MapError, PerCpuArray, RingBuf};
use tcpwatch_common::wire::LOSS_SLOTS;

use super::error::OpenError;
use crate::decode::{Decoder, fact_of, fact_of_kind};
use crate::event::{Event, EventsLost, Fact, LossStage, Time};

/// The reading end of everything the hooks write.
pub(super) struct Rings {
    events: RingBuf<MapData>,
    chatter: RingBuf<MapData>,
    lost: PerCpuArray<MapData, Losses>,
    enabled: Array<MapData, u32>,
    decoder: Decoder,
    /// As of the last look.
    counted: Losses,
    looked: Time,
}

/// `wire::Losses` as words: full ring, then unreadable memory; by kind.
type Losses = [u64; 2 * LOSS_SLOTS];

const _: () = assert!(size_of::<Losses>() == size_of::<tcpwatch_common::wire::Losses>());

impl Rings {
    pub(super) fn take(ebpf: &mut Ebpf, decoder: Decoder, now: Time) -> Result<Self, OpenError> {
        let mut map = |name: &'static str| {
            ebpf.take_map(name).ok_or_else(|| OpenError::Unsuitable(format!("no map {name}")))
        };
        let (events, chatter) = (map("EVENTS")?, map("CHATTER")?);
        let (lost, enabled) = (map("LOST")?, map("ENABLED")?);
        Ok(Self {
            events: RingBuf::try_from(events).map_err(unsuitable)?,
            chatter: RingBuf::try_from(chatter).map_err(unsuitable)?,
            lost: PerCpuArray::try_from(lost).map_err(unsuitable)?,
            enabled: Array::try_from(enabled).map_err(unsuitable)?,
            decoder,
            counted: [0; 2 * LOSS_SLOTS],
            looked: now,
        })
    }

    /// From now on the hooks speak.
    pub(super) fn enable(&mut self) -> Result<(), OpenError> {
        self.enabled.set(0, 1, 0).map_err(unsuitable)
    }

    pub(super) fn drain(&mut self, now: Time, mut sink: impl FnMut(Event)) {
        let since = self.looked;
        let malformed =
            |fact| EventsLost { since, until: now, fact, count: 1, stage: LossStage::Malformed };
        empty(&mut self.events, &self.decoder, |read| {
            sink(read.unwrap_or_else(|fact| {
                Event::EventsLost(malformed(fact.unwrap_or(Fact::RstSent)))
            }));
        });
        empty(&mut self.chatter, &self.decoder, |read| {
            sink(read.unwrap_or_else(|fact| {
                Event::EventsLost(malformed(fact.unwrap_or(Fact::ConntrackDestroyed)))
            }));
        });
        self.losses(now).into_iter().map(Event::EventsLost).for_each(sink);
        self.looked = now;
    }

    /// What was lost since the last look. One system call.
    fn losses(&mut self, now: Time) -> Vec<EventsLost> {
        let Ok(by_processor) = self.lost.get(&0, 0) else { return Vec::new() };
        let mut total = [0; 2 * LOSS_SLOTS];
        for counters in by_processor.iter() {
            total.iter_mut().zip(counters).for_each(|(sum, count)| *sum += count);
        }
        let lost = difference(&self.counted, &total);
        self.counted = total;
        lost.into_iter()
            .map(|(fact, stage, count)| EventsLost {
                since: self.looked,
                until: now,
                fact,
                count,
                stage,
            })
            .collect()
    }

    /// See [`super::KernelSource::filling`].
    pub(super) fn filling(&self) -> [BorrowedFd<'_>; 2] {
        [self.events.as_fd(), self.chatter.as_fd()]
    }
}

/// Reads a ring to its end, or as many records as a large ring holds, so that a storm cannot keep us here.
fn empty(
    ring: &mut RingBuf<MapData>,
    decoder: &Decoder,
    mut each: impl FnMut(Result<Event, Option<Fact>>),
) {
    for _ in 0..AT_MOST {
        let Some(record) = ring.next() else { return };
        each(decoder.decode(&record).map_err(|_| fact_of(&record)));
    }
}

const AT_MOST: usize = 1 << 17;

/// By fact and stage, where a counter moved.
fn difference(before: &Losses, after: &Losses) -> Vec<(Fact, LossStage, u64)> {
    let moved = after.iter().zip(before).map(|(after, before)| after.saturating_sub(*before));
    let named = moved.enumerate().filter(|(_, count)| *count > 0).filter_map(|(slot, count)| {
        let kind = u8::try_from(slot % LOSS_SLOTS).ok()?;
        let stage = if slot < LOSS_SLOTS { LossStage::Ring } else { LossStage::Unreadable };
        Some((fact_of_kind(kind)?, stage, count))
    });
    named.collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unsuitable(error: MapError) -> OpenError {
    OpenError::Unsuitable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpwatch_common::wire::kind;

    #[test]
    fn only_what_moved_is_reported_with_its_stage() {
        let mut after = [0; 2 * LOSS_SLOTS];
        after[usize::from(kind::RST_SENT)] = 7;
        after[LOSS_SLOTS + usize::from(kind::RST_RECEIVED)] = 2;
        let mut before = [0; 2 * LOSS_SLOTS];
        assert_eq!(
            difference(&before, &after),
            [(Fact::RstSent, LossStage::Ring, 7), (Fact::RstReceived, LossStage::Unreadable, 2)]
        );
        before[usize::from(kind::RST_SENT)] = 7;
        before[LOSS_SLOTS + usize::from(kind::RST_RECEIVED)] = 1;
        let moved = difference(&before, &after);
        assert_eq!(moved, [(Fact::RstReceived, LossStage::Unreadable, 1)]);
    }
}
