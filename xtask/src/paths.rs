//! Where things lie: the repository, cargo's output, and our cache outside of both.

use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target directory. We pass it on explicitly, so that we know where the binaries are.
pub(crate) fn target() -> PathBuf {
    let chosen = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(chosen)
}

/// Downloads and tools that outlive `cargo clean`: kernels and bpf-linker.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = base
        .filter(|dir| dir.is_absolute())
        .or_else(home)
        .context("no place for downloads: set HOME or XDG_CACHE_HOME")?;
    Ok(base.join("tcpwatch"))
}

/// The cargo home, where the sources of dependencies are unpacked.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}
