//! Which settings of this host will produce resets? Facts in, findings out.
//!
//! Each file under `finding` is one question to the facts of a namespace. What kernels come with is never a finding, and
//! neither is what cannot be seen: that is told beside them.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod facts;
mod finding;

pub use facts::{
    Capability, Facts, Fill, Listening, LockedMemory, Mode, Namespace, Process, Proxies, Proxy,
    Rejections, Sight, TcpMemory, TypeInformation,
};
pub use finding::{Finding, Place, Severity, Value, findings};

#[cfg(test)]
pub(crate) mod samples;
