//! Which machine is this, and how do its clocks relate?

use std::fs;

use super::clock;
use crate::event::HostDescribed;

/// The host as it is now. What cannot be read is empty.
pub fn describe() -> HostDescribed {
    let (time, wall) = clock::pair();
    HostDescribed {
        time,
        wall,
        hostname: kernel("hostname"),
        boot_id: kernel("random/boot_id"),
        kernel: kernel("osrelease"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// A value below `/proc/sys/kernel`.
fn kernel(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_a_name_a_boot_and_a_kernel() {
        let host = describe();
        assert!(!host.hostname.is_empty());
        assert_eq!(host.boot_id.len(), 36);
        assert!(host.kernel.contains('.'));
    }
}
