//! Recordings on their way out of a virtual machine: as text over its second serial port, where nobody else speaks.
//! `cargo xtask record-incident` reads them there.
//!
//! | line | meaning |
//! |---|---|
//! | `TCPWATCH-RECORDING FAMILY/SENTENCE/PLACE` | the lines of one recording follow |
//! | `{…}` | one of them |
//! | `TCPWATCH-RECORDED N` | the end: so many recordings |

use std::env;
use std::fs::{self, DirEntry, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use harness::watch::way_of;

/// Names the serial port; without it nothing is recorded.
const PORT: &str = "TCPWATCH_RECORDINGS";

/// Where recordings are made.
const WORKSHOP: &str = "/run/recording";

/// Where those of scenarios that went well wait for the end of all.
const FOLDER: &str = "/run/recordings";

/// Bytes. What is longer nobody would read.
const LONGEST: u64 = 200_000;

/// The file for a scenario's recording, if recordings are wanted.
pub(crate) fn file_for(scenario: &str) -> Option<PathBuf> {
    env::var_os(PORT)?;
    for folder in [WORKSHOP, FOLDER] {
        fs::create_dir_all(folder).expect("a guest has room for recordings");
    }
    Some(Path::new(WORKSHOP).join(format!("{scenario}.jsonl")))
}

/// The scenario went well: its recording shows what it is named after. One that starts no tcpwatch of its own has none.
pub(crate) fn keep(recording: &Path) {
    if recording.exists() {
        let name = recording.file_name().unwrap_or_default();
        fs::rename(recording, Path::new(FOLDER).join(name)).expect("both folders are one tmpfs");
    }
}

/// Sends all that went well and are short enough to be kept.
pub(crate) fn deliver() -> io::Result<()> {
    let Some(port) = env::var_os(PORT) else { return Ok(()) };
    let mut port = BufWriter::new(File::options().write(true).open(port)?);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut delivered = 0;
    for file in recordings()? {
        if file.metadata()?.len() <= LONGEST {
            writeln!(port, "TCPWATCH-RECORDING {}", place(&file, &kernel))?;
            port.write_all(&fs::read(file.path())?)?;
            delivered += 1;
        } else {
            println!("\n{} is too long to be kept", file.path().display());
        }
    }
    writeln!(port, "TCPWATCH-RECORDED {delivered}")?;
    port.flush()
}

fn recordings() -> io::Result<Vec<DirEntry>> {
    let mut files = fs::read_dir(FOLDER)?.collect::<io::Result<Vec<_>>>()?;
    files.sort_by_key(DirEntry::file_name);
    Ok(files)
}

/// `listener::a_port_refuses::v4.jsonl` on 6.1.0-56 becomes `listener/a_port_refuses/v4-6.1-fentry`.
fn place(file: &DirEntry, kernel: &str) -> String {
    let scenario = file.path().with_extension("");
    let scenario = scenario.file_name().unwrap_or_default().to_string_lossy().replace("::", "/");
    let line: Vec<_> = kernel.split('.').take(2).collect();
    // Where kernels differ most: resets sent have a tracepoint that is as good as a function from 6.10 on.
    let way = way_of("rst_received").unwrap_or_else(|| "blind".to_owned());
    format!("{scenario}-{}-{way}", line.join("."))
}
