//! apt in folders of our own: packages of other suites, without touching the machine's apt state.

use crate::{paths, sh};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// apt with a configuration, source list, lists and cache of its own.
pub(crate) struct Apt {
    config: PathBuf,
    archives: PathBuf,
    /// Every source answered, and with a good signature.
    pub(crate) updated: bool,
}

impl Apt {
    /// Prepares the folders and reads the lists of `sources`.
    pub(crate) fn new(sources: &str) -> Result<Self> {
        let dir = paths::cache()?.join("apt");
        let (config, archives) = (dir.join("apt.conf"), dir.join("archives"));
        for folder in ["lists/partial", "cache/archives/partial", "archives"] {
            fs::create_dir_all(dir.join(folder))
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        fs::write(dir.join("status"), "")?;
        fs::write(dir.join("sources.list"), sources)?;
        fs::write(&config, configuration(&dir))?;
        let mut apt = Self { config, archives, updated: true };
        // One suite that does not answer is no reason to stop: whether the kernel is found is what counts.
        if let Err(error) = sh::run(apt.command("apt-get").args(["-qq", "update"])) {
            println!("   note: {error:#}");
            apt.updated = false;
        }
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = sh::cmd(program, ["-c"]);
        command.arg(&self.config);
        command
    }

    /// Names of packages that match a regular expression.
    pub(crate) fn search(&self, pattern: &str) -> Result<Vec<String>> {
        let found = sh::read(self.command("apt-cache").args(["search", "--names-only", pattern]))?;
        Ok(found.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }

    /// Unpacks into a folder that appears only when it is complete.
    pub(crate) fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        empty(&self.archives)?;
        sh::run(
            self.command("apt-get")
                .args(["-qq", "download"])
                .args(packages)
                .current_dir(&self.archives),
        )?;
        let partial = self.archives.with_file_name("unpacked");
        empty(&partial)?;
        for entry in fs::read_dir(&self.archives)? {
            sh::run(sh::cmd("dpkg-deb", ["--extract"]).args([&entry?.path(), &partial]))?;
        }
        empty(into)?;
        fs::remove_dir(into)?;
        fs::rename(&partial, into).with_context(|| format!("cannot keep {}", into.display()))?;
        empty(&self.archives)
    }
}

fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// The machine's own settings (proxies, logins) still hold; its places and hooks do not.
fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "Dir::Etc::sourcelist \"{dir}/sources.list\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\n\
         Dir::Etc::preferencesparts \"/dev/null\";\n\
         Dir::State::lists \"{dir}/lists\";\n\
         Dir::State::status \"{dir}/status\";\n\
         Dir::Cache \"{dir}/cache\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"3\";\n\
         APT::Architecture \"amd64\";\n\
         APT::Get::List-Cleanup \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         #clear APT::Update::Pre-Invoke;\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         #clear Acquire::IndexTargets::deb::DEP-11;\n"
    )
}
