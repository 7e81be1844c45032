//! What kernel half and loader share at run time: two rings, the loss counters, the switch; and what hooks
//! remember for each other and for look-ups.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray, RingBuf};
use tcpwatch_common::wire::{Ended, Losses, OwnNumber};

use crate::evicting::Eviction;
use crate::removing::Removal;

/// Resets, overflows, listeners: what verdicts hang on. The loader may choose another size.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Bulk history, apart so that a flush of a million conntrack entries cannot push out a reset.
#[map]
pub(crate) static CHATTER: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What could not be delivered, exactly.
#[map]
pub(crate) static LOST: PerCpuArray<Losses> = PerCpuArray::with_max_entries(1, 0);

/// 1 once every hook is attached: before, an event would be told without the ones it hangs on.
#[map]
pub(crate) static ENABLED: Array<u32> = Array::with_max_entries(1, 0);

/// What a thread (`pid_tgid`) is removing from conntrack.
#[map]
pub(crate) static REMOVING: LruHashMap<u64, Removal> = LruHashMap::with_max_entries(1024, 0);

/// Who on this processor makes room in a full conntrack table. It is filled only while its hook is attached.
#[map]
pub(crate) static EVICTING: PerCpuArray<Eviction> = PerCpuArray::with_max_entries(1, 0);

/// Processes that have ended lately. It is filled only while its hook is attached.
#[map]
pub(crate) static ENDED: LruHashMap<OwnNumber, Ended> = LruHashMap::with_max_entries(1024, 0);
