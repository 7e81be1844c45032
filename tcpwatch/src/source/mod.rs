//! Where events come from.

#[cfg(feature = "live")]
pub mod kernel;
mod layout;
#[cfg(feature = "live")]
mod live;

pub use layout::Layout;
#[cfg(feature = "live")]
pub use live::{Live, Options, examine, open};
