//! Which mirror this machine uses: read from its own apt sources, in both of their forms.
//! No registry is named in this repository; a kernel of another suite comes from the same mirror.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One source of binary packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) uris: Vec<String>,
    pub(crate) suites: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) signed_by: Option<String>,
}

/// Where Debian's own archives are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mirrors {
    main: Mirror,
    security: Option<Mirror>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

/// Do we ask apt to verify signatures?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Signed,
    Unsigned,
}

impl Mirrors {
    /// The mirrors this machine uses.
    pub(crate) fn of_this_machine() -> Result<Self> {
        Self::among(&read_all()).context(
            "this machine's apt sources name no Debian mirror; \
             give a kernel by `cargo xtask vm --kernel VMLINUZ --modules DIR`",
        )
    }

    fn among(sources: &[Source]) -> Option<Self> {
        let ours = |source: &&Source| source.components.iter().any(|component| component == "main");
        let pick = |wanted: fn(&Source) -> bool| {
            let source = sources.iter().filter(ours).find(|source| wanted(source))?;
            Some(Mirror { uri: source.uris.first()?.clone(), signed_by: source.signed_by.clone() })
        };
        Some(Self { main: pick(Source::is_main)?, security: pick(Source::is_security) })
    }

    /// A one-line source list for some suites.
    pub(crate) fn list(&self, suites: &[&str], trust: Trust) -> String {
        suites.iter().filter_map(|suite| self.line(suite, trust)).collect()
    }

    fn line(&self, suite: &str, trust: Trust) -> Option<String> {
        let mirror =
            if suite.ends_with("-security") { self.security.as_ref()? } else { &self.main };
        let option = match trust {
            Trust::Unsigned => "trusted=yes".to_owned(),
            Trust::Signed => {
                mirror.keyring().map(|file| format!("signed-by={file}")).unwrap_or_default()
            }
        };
        Some(format!("deb [arch=amd64 {option}] {} {suite} main\n", mirror.uri))
    }
}

impl Mirror {
    /// The archive's keyring first, because it holds the keys of all suites; the machine's own choice may hold only
    /// those of its release. A private mirror that signs by itself still has its own key, found by the second try.
    fn keyring(&self) -> Option<String> {
        let archive = Path::new(KEYRING).exists().then(|| KEYRING.to_owned());
        let private = self
            .signed_by
            .clone()
            .filter(|key| key.starts_with('/') && !key.contains("debian-archive"));
        private.or(archive).or_else(|| self.signed_by.clone().filter(|key| key.starts_with('/')))
    }
}

impl Source {
    fn is_security(&self) -> bool {
        let in_suite = self
            .suites
            .iter()
            .any(|suite| suite.ends_with("-security") || suite.ends_with("/updates"));
        in_suite || self.last_segment().contains("security")
    }

    /// Others publish under Debian's code names too, so the address decides: `…/debian`, or a list of mirrors
    /// named after it as cloud images have.
    fn is_main(&self) -> bool {
        !self.is_security() && self.last_segment().starts_with("debian")
    }

    fn last_segment(&self) -> &str {
        let uri = self.uris.first().map_or("", |uri| uri.trim_end_matches('/'));
        uri.rsplit('/').next().unwrap_or_default()
    }
}

fn read_all() -> Vec<Source> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    files.extend(parts.map(|entry| entry.path()));
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Source> {
    let text = fs::read_to_string(file).unwrap_or_default();
    match file.extension().and_then(|kind| kind.to_str()) {
        Some("sources") => parse_deb822(&text),
        Some("list") => parse_list(&text),
        _ => Vec::new(),
    }
}

/// `deb [options] uri suite component…`, one source per line.
fn parse_list(text: &str) -> Vec<Source> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter_map(parse_list_line).collect()
}

fn parse_list_line(line: &str) -> Option<Source> {
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned),
    })
}

/// Paragraphs of `Field: values`; a line that begins with a space continues the field.
fn parse_deb822(text: &str) -> Vec<Source> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter_map(parse_paragraph).collect()
}

fn parse_paragraph(lines: &[&str]) -> Option<Source> {
    let words = |name: &str| field(lines, name);
    let off = words("Enabled").first().is_some_and(|value| value == "no");
    if off || !words("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Source {
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        signed_by: words("Signed-By").into_iter().next(),
    })
}

fn field(lines: &[&str], name: &str) -> Vec<String> {
    let is_it =
        |line: &str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
    let Some(at) = lines.iter().position(|line| is_it(line)) else {
        return Vec::new();
    };
    let first = lines[at].split_once(':').map_or("", |(_, value)| value);
    let more = lines[at + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
    std::iter::once(first)
        .chain(more.copied())
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Mirrors, Trust, parse_deb822, parse_list};

    const DEB822: &str = "\
Types: deb
# a comment
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/a.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
";

    #[test]
    fn both_forms_give_the_same_mirrors() {
        let list = "deb [signed-by=/keys/a.gpg arch=amd64] http://mirror.test/debian bookworm main contrib # here\n\
                    deb http://mirror.test/debian-security bookworm-security main\n\
                    deb-src http://mirror.test/other bookworm main\n";
        let (new, old) = (parse_deb822(DEB822), parse_list(list));
        assert_eq!(new.len(), 2);
        assert_eq!(new[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(Mirrors::among(&new), Mirrors::among(&old));
    }

    #[test]
    fn security_suites_come_from_the_security_mirror() {
        let mirrors = Mirrors::among(&parse_deb822(DEB822)).unwrap();
        let list = mirrors.list(&["bullseye", "bullseye-security"], Trust::Unsigned);
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(
            lines[0],
            "deb [arch=amd64 trusted=yes] http://mirror.test/debian bullseye main"
        );
        assert_eq!(
            lines[1],
            "deb [arch=amd64 trusted=yes] http://mirror.test/debian-security bullseye-security main"
        );
    }

    #[test]
    fn other_vendors_are_not_taken_for_debian() {
        let list = "deb https://apt.vendor.test bookworm main\ndeb https://other.test/cloud cloud-sdk main\n";
        assert_eq!(Mirrors::among(&parse_list(list)), None);
    }

    #[test]
    fn switched_off_sources_do_not_count() {
        assert!(
            parse_deb822("Types: deb\nEnabled: no\nURIs: http://mirror.test/debian\n").is_empty()
        );
    }

    #[test]
    fn an_embedded_key_does_not_confuse_the_fields() {
        let text = "Types: deb\nURIs: http://mirror.test/debian\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n";
        let sources = parse_deb822(text);
        assert_eq!(sources[0].signed_by.as_deref(), Some("-----BEGIN"));
        assert_eq!(sources[0].components, ["main"]);
    }
}
