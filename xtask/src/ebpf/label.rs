//! The file beside the committed object: what it was made from and with.

use super::toolchain::Versions;
use anyhow::{Context, Result};

/// Contents of `tcpwatch.<arch>.toml`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Hash over sources, manifests and locked versions.
    pub(crate) inputs: String,
    /// Hash of the object itself.
    pub(crate) object: String,
    pub(crate) versions: Versions,
}

impl Label {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let Self { inputs, object, versions } = self;
        let Versions { rustc, bpf_linker, llvm } = versions;
        format!(
            "# Written by `cargo xtask ebpf`; do not edit.\n\
             inputs = \"{inputs}\"\nobject = \"{object}\"\n\
             rustc = \"{rustc}\"\nbpf-linker = \"{bpf_linker}\"\nllvm = \"{llvm}\"\n"
        )
    }

    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            inputs: value(text, "inputs")?,
            object: value(text, "object")?,
            versions: Versions {
                rustc: value(text, "rustc")?,
                bpf_linker: value(text, "bpf-linker")?,
                llvm: value(text, "llvm")?,
            },
        })
    }
}

/// One `key = "value"` line; we write the file ourselves, so this little of TOML is enough.
fn value(text: &str, key: &str) -> Result<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
    line.map(str::to_owned)
        .with_context(|| format!("`{key}` is missing; rebuild by `cargo xtask ebpf`"))
}

#[cfg(test)]
mod tests {
    use super::{Label, Versions};

    #[test]
    fn what_is_written_is_read_again() {
        let versions =
            Versions { rustc: "1.96".into(), bpf_linker: "0.13".into(), llvm: "22".into() };
        let label = Label { inputs: "ab".into(), object: "cd".into(), versions };
        assert_eq!(Label::parse(&label.text()).unwrap(), label);
    }

    #[test]
    fn a_missing_line_is_an_error() {
        assert!(Label::parse("inputs = \"ab\"\n").is_err());
    }
}
