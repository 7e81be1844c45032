//! The kernel modules a guest needs, in the order in which they can be inserted.
//! A guest has no modprobe, and a package that was never installed has no `modules.dep`: the modules themselves
//! say what they depend on (their `.modinfo`), on every kernel and distribution alike.

use crate::sh;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What scenarios may use. One that is neither here nor built in is reported, because kernels come and go with them.
#[rustfmt::skip]
const WANTED: &[&str] = &[
    "crc32c_generic", "veth", "dummy", "bridge", "br_netfilter", "tcp_diag", "inet_diag", "netlink_diag",
    "nf_conntrack", "nf_conntrack_netlink", "nf_nat", "nf_reject_ipv4", "nf_reject_ipv6", "nf_synproxy_core",
    "nf_tables", "nft_compat", "nft_ct", "nft_nat", "nft_masq", "nft_redir", "nft_chain_nat", "nft_counter",
    "nft_limit", "nft_numgen", "nft_hash", "nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6",
    "nft_reject_bridge", "nft_meta_bridge",
    "nft_fib", "nft_fib_inet", "nft_synproxy", "nft_objref", "nft_connlimit",
    "x_tables", "ip_tables", "ip6_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "iptable_raw",
    "ip6table_filter", "ip6table_nat", "ip6table_mangle", "ip6table_raw", "ipt_REJECT", "ip6t_REJECT",
    "xt_tcpudp", "xt_conntrack", "xt_state", "xt_nat", "xt_MASQUERADE", "xt_REDIRECT", "xt_statistic", "xt_comment",
    "xt_addrtype", "xt_mark", "xt_multiport", "xt_limit", "xt_connlimit", "xt_owner", "xt_CT", "xt_recent",
    "xt_u32", "xt_length", "xt_string",
    "ip_vs", "ip_vs_rr", "xt_ipvs", "sch_netem", "sch_ingress", "tun",
];

/// Modules in insertion order, and what was asked for in vain.
#[derive(Default)]
pub(crate) struct Modules {
    /// Name and content, dependencies first.
    pub(crate) ordered: Vec<(String, Vec<u8>)>,
    pub(crate) missing: Vec<String>,
}

/// Collects what a guest needs from a folder such as `/lib/modules/6.1.0`.
pub(crate) fn collect(dir: &Path) -> Result<Modules> {
    let mut loader = Loader { files: index(dir)?, builtin: builtin(dir), ..Loader::default() };
    for name in WANTED {
        loader.add(name)?;
    }
    // A soft dependency may be an alias or be gone: only what we asked for is worth a word.
    loader.modules.missing.retain(|name| WANTED.contains(&name.as_str()));
    Ok(loader.modules)
}

#[derive(Default)]
struct Loader {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    seen: BTreeSet<String>,
    modules: Modules,
}

impl Loader {
    /// Depth first: a module comes after all it depends on.
    fn add(&mut self, name: &str) -> Result<()> {
        if !self.seen.insert(name.to_owned()) || self.builtin.contains(name) {
            return Ok(());
        }
        let Some(file) = self.files.get(name) else {
            self.modules.missing.push(name.to_owned());
            return Ok(());
        };
        let module = decompressed(file)?;
        for dependency in dependencies(&module) {
            self.add(&dependency)?;
        }
        self.modules.ordered.push((name.to_owned(), module));
        Ok(())
    }
}

/// Modules by name, wherever they lie below `dir`.
fn index(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in
        fs::read_dir(dir).with_context(|| format!("cannot list modules in {}", dir.display()))?
    {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(index(&path)?);
        } else if let Some(name) = module_name(&path) {
            files.insert(name, path);
        }
    }
    Ok(files)
}

/// `…/nf-conntrack.ko.xz` is module `nf_conntrack`.
fn module_name(path: &Path) -> Option<String> {
    let (name, _) = path.file_name()?.to_str()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

fn builtin(dir: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    text.lines().filter_map(|line| module_name(Path::new(line))).collect()
}

fn decompressed(file: &Path) -> Result<Vec<u8>> {
    let tool = match file.extension().and_then(|kind| kind.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    sh::read_bytes(sh::cmd(tool, ["-dc"]).arg(file))
}

/// Hard dependencies, and the soft ones that modprobe would insert before (crc32c under libcrc32c).
fn dependencies(module: &[u8]) -> Vec<String> {
    let hard = modinfo(module, "depends=")
        .into_iter()
        .flat_map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>());
    let soft = modinfo(module, "softdep=").into_iter().flat_map(|list| before(&list));
    soft.chain(hard).filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// `pre: a b post: c` names `a` and `b`.
fn before(list: &str) -> Vec<String> {
    let (_, pre) = list.split_once("pre:").unwrap_or_default();
    pre.split("post:").next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// All values of one key in a module's `.modinfo`: zero-terminated `key=value` strings.
fn modinfo(module: &[u8], key: &str) -> Vec<String> {
    let strings =
        module.split(|byte| *byte == 0).filter_map(|bytes| bytes.strip_prefix(key.as_bytes()));
    strings.filter_map(|value| std::str::from_utf8(value).ok()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Loader, before, dependencies, module_name};
    use std::fs;
    use std::path::Path;

    #[test]
    fn dependencies_are_read_from_the_module() {
        let module = b"\x7fELF\0license=GPL\0depends=nf-conntrack,libcrc32c\0softdep=pre: crc32c\0name=nf_nat\0";
        assert_eq!(dependencies(module), ["crc32c", "nf_conntrack", "libcrc32c"]);
        assert!(dependencies(b"depends=\0name=veth\0").is_empty());
    }

    #[test]
    fn only_modules_to_be_inserted_before_count() {
        assert_eq!(before("pre: a b post: c"), ["a", "b"]);
        assert!(before("post: c").is_empty());
    }

    #[test]
    fn names_are_those_the_kernel_uses() {
        assert_eq!(module_name(Path::new("kernel/net/nf-nat.ko.xz")).as_deref(), Some("nf_nat"));
        assert_eq!(module_name(Path::new("kernel/net/Makefile")), None);
    }

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let dir =
            std::env::temp_dir().join(format!("tcpwatch-xtask-modules-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let modules = [("top", "depends=mid,low"), ("mid", "depends=low"), ("low", "depends=")];
        for (name, info) in modules {
            fs::write(dir.join(name).with_extension("ko"), format!("{info}\0")).unwrap();
        }
        let mut loader = Loader { files: super::index(&dir).unwrap(), ..Loader::default() };
        loader.builtin.insert("inside".into());
        for name in ["top", "inside", "absent"] {
            loader.add(name).unwrap();
        }
        fs::remove_dir_all(&dir).unwrap();
        let order: Vec<_> = loader.modules.ordered.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["low", "mid", "top"]);
        assert_eq!(loader.modules.missing, ["absent"]);
    }
}
