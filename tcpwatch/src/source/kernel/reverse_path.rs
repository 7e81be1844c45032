//! Which devices of this network namespace check source addresses strictly?

use std::fs;

/// Devices of the calling thread's network namespace other than loopback whose `rp_filter` is 1. The greater of the
/// value of the device and of that for all counts (include/linux/inetdevice.h, `IN_DEV_RPFILTER`).
pub fn strict_devices() -> Vec<String> {
    let entries = fs::read_dir(DEVICES).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let of_all = value("all").unwrap_or(0);
    let is_strict = |name: &String| value(name).is_some_and(|own| of_all.max(own) == STRICT);
    let mut devices: Vec<_> =
        names.filter(|name| !NO_DEVICES.contains(&name.as_str())).filter(is_strict).collect();
    devices.sort_unstable();
    devices
}

fn value(device: &str) -> Option<u32> {
    fs::read_to_string(format!("{DEVICES}/{device}/rp_filter")).ok()?.trim().parse().ok()
}

const DEVICES: &str = "/proc/sys/net/ipv4/conf";
const NO_DEVICES: [&str; 3] = ["all", "default", "lo"];
const STRICT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_a_value_for_all() {
        assert!(value("all").is_some());
        assert_eq!(value("no-such-device"), None);
    }

    #[test]
    fn loopback_is_never_among_them() {
        assert!(!strict_devices().iter().any(|device| device == "lo"));
    }
}
