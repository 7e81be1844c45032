//! Which events are worth a record? The only `if` about meaning on this side.

use crate::maps::ENABLED;

/// The loader has attached everything.
#[inline(always)]
pub(crate) fn enabled() -> bool {
    ENABLED.get(0).is_some_and(|on| *on != 0)
}
