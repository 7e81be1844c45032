//! Where the output goes.

#[cfg(not(unix))]
mod buffered;
#[cfg(unix)]
mod descriptor;

#[cfg(not(unix))]
pub(super) use buffered::Stdout;
#[cfg(unix)]
pub(super) use descriptor::Stdout;
