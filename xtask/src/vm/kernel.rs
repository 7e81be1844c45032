//! A kernel to boot: from the cache, else the newest of Debian's suites.

use super::apt::Apt;
use super::sources::{Mirrors, Trust};
use crate::{paths, sh};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel image and the folder with its modules.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// What the user asked for, such as `6.12`.
    pub(crate) name: String,
    /// The full version, or where it came from.
    pub(crate) version: String,
    pub(crate) vmlinuz: PathBuf,
    pub(crate) modules: PathBuf,
}

/// Debian's suites per version; for other versions all of them are asked.
const SUITES: &[(&str, &[&str])] = &[
    ("5.10", &["bullseye", "bullseye-security"]),
    ("6.1", &["bookworm", "bookworm-security"]),
    ("6.12", &["bookworm-backports", "trixie", "trixie-security"]),
    ("7.", &["sid"]),
];

impl Kernel {
    /// The newest kernel of this version: a cached one, else fetched.
    pub(crate) fn of_version(version: &str) -> Result<Self> {
        if let Some(kernel) = cached(version)? {
            return Ok(kernel);
        }
        ensure!(
            sh::which("apt-get").is_some() && sh::which("dpkg-deb").is_some(),
            "kernels are fetched by apt, which is not here; use `cargo xtask vm --kernel VMLINUZ --modules DIR`"
        );
        fetch(version).with_context(|| format!("cannot fetch a kernel {version}"))?;
        cached(version)?.with_context(|| format!("the packages of kernel {version} hold no kernel"))
    }

    /// A kernel the user brought along.
    pub(crate) fn from_files(vmlinuz: &Path, modules: &Path) -> Self {
        let version =
            modules.file_name().unwrap_or(modules.as_os_str()).to_string_lossy().into_owned();
        Self { name: version.clone(), version, vmlinuz: vmlinuz.into(), modules: modules.into() }
    }

    fn in_dir(name: &str, dir: &Path) -> Option<Self> {
        let version = dir.file_name()?.to_string_lossy().into_owned();
        // Since 7.x Debian ships `/usr/lib/modules/V/vmlinuz`, before that `/boot/vmlinuz-V` and `/lib/modules/V`.
        let modules =
            ["usr/lib/modules", "lib/modules"].map(|place| dir.join(place).join(&version));
        let modules = modules.into_iter().find(|place| place.join("kernel").is_dir())?;
        let images = [modules.join("vmlinuz"), dir.join("boot").join(format!("vmlinuz-{version}"))];
        let vmlinuz = images.into_iter().find(|image| image.is_file())?;
        Some(Self { name: name.to_owned(), version, vmlinuz, modules })
    }
}

fn cached(version: &str) -> Result<Option<Kernel>> {
    let entries = fs::read_dir(kernels()?).into_iter().flatten().flatten();
    let found = entries.filter(|entry| matches(&entry.file_name().to_string_lossy(), version));
    let kernels = found.filter_map(|entry| Kernel::in_dir(version, &entry.path()));
    Ok(kernels.max_by_key(|kernel| numbers(&kernel.version)))
}

fn kernels() -> Result<PathBuf> {
    Ok(paths::cache()?.join("kernels"))
}

/// First with verified signatures. A machine older than a suite may lack the suite's key, which fails the update;
/// then without, and we say so: the kernel only ever runs inside the emulator.
fn fetch(version: &str) -> Result<()> {
    let (mirrors, suites) = (Mirrors::of_this_machine()?, suites(version));
    println!("   looking for kernel {version} in {}", suites.join(", "));
    let apt = Apt::new(&mirrors.list(&suites, Trust::Signed))?;
    let names = apt.search(&pattern(version))?;
    if !names.is_empty() || apt.updated {
        return unpack_newest(&apt, &names);
    }
    println!(
        "   note: trying without verified signatures; this kernel runs only inside the emulator"
    );
    let apt = Apt::new(&mirrors.list(&suites, Trust::Unsigned))?;
    unpack_newest(&apt, &apt.search(&pattern(version))?)
}

fn unpack_newest(apt: &Apt, names: &[String]) -> Result<()> {
    let (newest, packages) = newest(names).context("these suites have none")?;
    println!("   fetching {}", packages.join(", "));
    apt.unpack(&packages, &kernels()?.join(newest))
}

fn pattern(version: &str) -> String {
    let version = version.trim_end_matches('.').replace('.', "\\.").replace('+', "\\+");
    format!("^linux-(image|binary|modules)-{version}[^0-9].*cloud-amd64$")
}

fn suites(version: &str) -> Vec<&'static str> {
    let known = SUITES.iter().find(|(known, _)| matches(version, known));
    let all = || SUITES.iter().flat_map(|(_, suites)| *suites).copied().collect();
    known.map_or_else(all, |(_, suites)| suites.to_vec())
}

/// Does a full version begin with this prefix, at a whole number? 6.12.1 is no 6.1.
fn matches(full: &str, prefix: &str) -> bool {
    full.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with('.') || !rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// The newest version among package names, and the packages to fetch for it.
fn newest(names: &[String]) -> Option<(&str, Vec<&str>)> {
    let version =
        names.iter().filter_map(|name| version_of(name)).max_by_key(|version| numbers(version))?;
    let wanted = |kind: &str| {
        names.iter().map(String::as_str).find(|name| *name == format!("linux-{kind}-{version}"))
    };
    // `linux-binary` is the image without the scripts that install it; it comes with `linux-modules`.
    let packages: Vec<&str> = match wanted("binary") {
        Some(binary) => [Some(binary), wanted("modules")].into_iter().flatten().collect(),
        None => wanted("image").into_iter().collect(),
    };
    Some((version, packages))
}

fn version_of(package: &str) -> Option<&str> {
    package.strip_prefix("linux-image-").or_else(|| package.strip_prefix("linux-binary-"))
}

/// Versions in the order of their numbers: 6.12.9 is older than 6.12.94.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// VMs are for x86-64: the packages above are, and so are the host's tools that go into the guest.
pub(crate) fn refuse_other_hosts() -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the VM matrix needs an x86_64 host; `cargo xtask scenarios` works here");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{matches, newest, suites};

    fn names(versions: &[&str]) -> Vec<String> {
        versions.iter().map(|version| format!("linux-{version}-cloud-amd64")).collect()
    }

    #[test]
    fn the_newest_package_wins_by_number() {
        let names = names(&["image-6.12.9+deb12", "image-6.12.117+deb12", "image-6.12.94+deb13"]);
        let (version, packages) = newest(&names).unwrap();
        assert_eq!(version, "6.12.117+deb12-cloud-amd64");
        assert_eq!(packages, [&names[1]]);
    }

    #[test]
    fn from_7_on_the_image_comes_in_two_packages() {
        let names = names(&["image-7.2.13+deb14", "modules-7.2.13+deb14", "binary-7.2.13+deb14"]);
        assert_eq!(newest(&names).unwrap().1, [&names[2], &names[1]]);
    }

    #[test]
    fn a_prefix_ends_at_a_whole_number() {
        assert!(matches("6.1.0-56", "6.1"));
        assert!(!matches("6.12.117", "6.1"));
    }

    #[test]
    fn an_unknown_version_is_looked_for_everywhere() {
        assert_eq!(suites("7.2"), ["sid"]);
        assert_eq!(suites("6.1"), ["bookworm", "bookworm-security"]);
        assert!(suites("6.16").len() > 5);
    }
}
