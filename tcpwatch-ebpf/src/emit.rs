//! How does a record reach user space? The only place that reserves, stamps, submits, or counts a loss.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated::bpf_ktime_get_boot_ns};
use aya_ebpf::maps::RingBuf;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use tcpwatch_common::wire::{
    self, AcceptQueueOverflowed, ConnectionAborted, ConntrackDestroyed, ConntrackInvalid,
    HandshakeAckRefused, Header, LOSS_SLOTS, Listener, PacketRejected, RstReceived, RstSent,
};

use crate::maps::{CHATTER, EVENTS, LOST};

/// A record: it starts with a [`Header`] and travels in one of the rings.
///
/// # Safety
///
/// The type is `repr(C)` and its first field is a [`Header`].
pub(crate) unsafe trait Record: 'static {
    fn ring() -> &'static RingBuf {
        &EVENTS
    }
}

// SAFETY: see tcpwatch_common::wire, where each begins with `header`.
unsafe impl Record for RstSent {}
// SAFETY: as above.
unsafe impl Record for ConnectionAborted {}
// SAFETY: as above.
unsafe impl Record for RstReceived {}
// SAFETY: as above.
unsafe impl Record for AcceptQueueOverflowed {}
// SAFETY: as above.
unsafe impl Record for Listener {}
// SAFETY: as above.
unsafe impl Record for PacketRejected {}
// SAFETY: as above.
unsafe impl Record for HandshakeAckRefused {}
// SAFETY: as above.
unsafe impl Record for ConntrackDestroyed {
    fn ring() -> &'static RingBuf {
        &CHATTER
    }
}
// SAFETY: as above.
unsafe impl Record for ConntrackInvalid {
    fn ring() -> &'static RingBuf {
        &CHATTER
    }
}

/// A place in a ring, to be filled and finished.
pub(crate) struct Slot<T: 'static> {
    entry: RingBufEntry<T>,
    kind: u8,
    way: u8,
}

impl<T: Record> Slot<T> {
    /// `None`, counted as lost, when the ring is full.
    #[inline(always)]
    pub(crate) fn reserve(kind: u8, way: u8) -> Option<Self> {
        let Some(entry) = T::ring().reserve::<T>(0) else {
            count(kind, |losses| &raw mut losses.ring);
            return None;
        };
        Some(Self { entry, kind, way })
    }

    /// The record: everything but its header is to be written, padding too.
    #[inline(always)]
    pub(crate) fn record(&mut self) -> *mut T {
        self.entry.as_mut_ptr()
    }

    /// Stamps and submits. `netns` is what filling the record came to; `None` when the kernel's memory could
    /// not be read: then the slot is given back and counted.
    ///
    /// The stamp comes after the reservation, so that the order in the ring is nearly the order in time.
    #[inline(always)]
    pub(crate) fn finish(mut self, netns: Option<u32>) {
        let Some(netns) = netns else {
            self.entry.discard(u64::from(BPF_RB_NO_WAKEUP));
            return count(self.kind, |losses| &raw mut losses.unreadable);
        };
        // SAFETY: neither helper has preconditions.
        let (time, cpu) = unsafe { (bpf_ktime_get_boot_ns(), bpf_get_smp_processor_id()) };
        #[expect(clippy::cast_possible_truncation, reason = "Linux has at most 8192 processors")]
        let header = Header { time, netns, cpu: cpu as u16, kind: self.kind, way: self.way };
        // SAFETY: `Record` promises a header at the start of the slot.
        unsafe { self.record().cast::<Header>().write(header) };
        self.entry.submit(wakeup::<T>());
    }
}

/// A wake-up costs microseconds even when nobody waits, a record a fifth of one: the reader comes by on a
/// timer, and is called only when the ring fills faster than it comes, once for every step. Two processors may
/// pass a step together and both stay silent; the next step is near.
#[inline(always)]
fn wakeup<T: Record>() -> u64 {
    let unread = T::ring().query(u64::from(BPF_RB_AVAIL_DATA));
    let before = unread.wrapping_sub(size_of::<T>() as u64 + RECORD_HEADER);
    let stepped = unread / STEP != before / STEP;
    u64::from(if stepped { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP })
}

/// Bytes; a power of two.
const STEP: u64 = 64 << 10;

/// `BPF_RINGBUF_HDR_SZ` (include/uapi/linux/bpf.h).
const RECORD_HEADER: u64 = 8;

#[inline(always)]
fn count(kind: u8, which: impl FnOnce(&mut wire::Losses) -> *mut [u64; LOSS_SLOTS]) {
    let Some(losses) = LOST.get_ptr_mut(0) else { return };
    // SAFETY: the map's value is this processor's own; another hook may interrupt between load and store
    // only on the same processor and then runs to its end, so at worst one count is missing.
    let counters = which(unsafe { &mut *losses }).cast::<u64>();
    // SAFETY: the mask keeps the index inside the array.
    unsafe { *counters.add(usize::from(kind) & (LOSS_SLOTS - 1)) += 1 };
}
