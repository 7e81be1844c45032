//! What is a program given? The same questions, whichever way it is attached.

use core::hint::black_box;

use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, FExitContext, ProbeContext};
use tcpwatch_common::wire::{NOT_GIVEN, way};

use super::memory::{Direct, Memory, Probe, Read};

/// The arguments of a hooked function or tracepoint.
pub(crate) trait Context {
    /// How memory behind pointer arguments is read.
    type Read: Read;
    /// What the record says about the way.
    const WAY: u8;

    fn raw(&self, index: usize) -> u64;

    /// A pointer argument that may carry a type; `None` when it is null.
    fn pointer(&self, index: usize) -> Option<Memory<Self::Read>>;

    /// An int (an enum, what a function returns) whose position differs between kernels (1 to 3), or [`NOT_GIVEN`].
    ///
    /// A load from the context must have a constant offset in the instruction itself. So the positions are
    /// spelled out, `black_box` keeps the compiler from making one computed load of them, and the verifier
    /// removes the arms that are not this kernel's.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an enum is an int")]
    fn enumerator(&self, index: Option<u32>) -> i32 {
        match index {
            Some(1) => black_box(self.raw(1)) as i32,
            Some(2) => black_box(self.raw(2)) as i32,
            Some(3) => black_box(self.raw(3)) as i32,
            _ => NOT_GIVEN,
        }
    }
}

impl Context for FEntryContext {
    type Read = Direct;
    const WAY: u8 = way::FENTRY;

    #[inline(always)]
    fn raw(&self, index: usize) -> u64 {
        self.arg(index)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Option<Memory<Direct>> {
        Memory::new(self.arg(index))
    }
}

/// The exit of a function is told as the same way: attaching to it takes the same.
impl Context for FExitContext {
    type Read = Direct;
    const WAY: u8 = way::FENTRY;

    #[inline(always)]
    fn raw(&self, index: usize) -> u64 {
        self.arg(index)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Option<Memory<Direct>> {
        Memory::new(self.arg(index))
    }
}

impl Context for BtfTracePointContext {
    type Read = Direct;
    const WAY: u8 = way::TRACEPOINT;

    #[inline(always)]
    fn raw(&self, index: usize) -> u64 {
        self.arg(index)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Option<Memory<Direct>> {
        Memory::new(self.arg(index))
    }
}

impl Context for ProbeContext {
    type Read = Probe;
    const WAY: u8 = way::KPROBE;

    #[inline(always)]
    fn raw(&self, index: usize) -> u64 {
        self.arg(index).unwrap_or(0)
    }

    #[inline(always)]
    fn pointer(&self, index: usize) -> Option<Memory<Probe>> {
        Memory::new(self.arg(index)?)
    }
}
