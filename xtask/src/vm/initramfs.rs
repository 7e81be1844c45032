//! What the guest finds: the test binary as `/init`, tcpwatch, modules with their order, and host tools.

use super::cpio::Archive;
use super::kernel::Kernel;
use super::modules::{self, Modules};
use super::tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Folders that `/init` mounts on.
const MOUNT_POINTS: &[&str] =
    &["/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/var/run", "/modules"];

/// The part that is the same for every kernel.
pub(crate) fn base(init: &Path, tcpwatch: Option<&Path>) -> Result<Archive> {
    let mut archive = Archive::default();
    for dir in MOUNT_POINTS {
        archive.dir(dir);
    }
    // Without a console the kernel starts /init with nothing to write to.
    archive.device("/dev/console", 5, 1);
    archive.file("/init", 0o755, &read(init)?);
    if let Some(tcpwatch) = tcpwatch {
        archive.file("/bin/tcpwatch", 0o755, &read(tcpwatch)?);
    }
    let missing = tools::add(&mut archive)?;
    if !missing.is_empty() {
        println!("   not on this host, so not in the guest: {}", missing.join(", "));
    }
    Ok(archive)
}

/// The finished initramfs for one kernel: `base` and the kernel's modules.
pub(crate) fn with_modules(mut base: Archive, kernel: &Kernel) -> Result<Vec<u8>> {
    let Modules { ordered, missing } = modules::collect(&kernel.modules)?;
    if !missing.is_empty() {
        println!("   built in or not in this kernel: {}", missing.join(", "));
    }
    let mut order = String::new();
    for (name, content) in &ordered {
        let path = format!("/modules/{name}.ko");
        base.file(&path, 0o644, content);
        order.push_str(&path);
        order.push('\n');
    }
    base.file("/modules/order", 0o644, order.as_bytes());
    Ok(base.finish())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
