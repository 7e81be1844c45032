//! Where do fields and arguments lie in the running kernel? The loader freezes the answers before it loads.

use tcpwatch_common::offsets::{ABSENT, Arguments, Offsets};

/// Overwritten and frozen by the loader.
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::UNRESOLVED;

/// Overwritten and frozen by the loader.
#[unsafe(no_mangle)]
pub(crate) static ARGUMENTS: Arguments = Arguments::UNRESOLVED;

/// Nanoseconds between two ticks of the kernel's timer (`TICK_NSEC`), by which sockets measure time. Overwritten and
/// frozen by the loader.
#[unsafe(no_mangle)]
pub(crate) static TICK: u32 = 0;

#[inline(always)]
pub(crate) fn tick() -> u32 {
    // SAFETY: `TICK` is a static. Volatile for the reason below.
    unsafe { (&raw const TICK).read_volatile() }
}

/// The frozen value; `None` when the kernel has no such thing.
#[inline(always)]
pub(crate) fn known(value: *const u32) -> Option<u32> {
    // SAFETY: `value` is a field of one of the statics above. Volatile, or the compiler would put the value of
    // today in the place of the loader's; the verifier still sees a constant, for the map is frozen.
    let value = unsafe { value.read_volatile() };
    (value != ABSENT).then_some(value)
}

/// The offset of a field, by its name in [`Offsets`].
macro_rules! field {
    ($name:ident) => {
        $crate::read::layout::known(&raw const $crate::read::layout::OFFSETS.$name)
    };
}
pub(crate) use field;

/// The position of an argument or the number of an enumerator, by its name in [`Arguments`].
macro_rules! argument {
    ($name:ident) => {
        $crate::read::layout::known(&raw const $crate::read::layout::ARGUMENTS.$name)
    };
}
pub(crate) use argument;
