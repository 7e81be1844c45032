//! What the fuzzers found interesting, replayed without them: no panic, and an end.

use std::path::Path;
use std::{fs, io};

#[path = "../fuzz/ask_btf.rs"]
mod ask_btf;
#[path = "../fuzz/ask_recording.rs"]
mod ask_recording;

#[test]
fn any_bytes_are_survived_as_btf() -> io::Result<()> {
    replay("btf", ask_btf::everything)
}

#[test]
fn any_bytes_are_survived_as_a_recording() -> io::Result<()> {
    replay("recording", ask_recording::everything)
}

fn replay(target: &str, ask: impl Fn(&[u8])) -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(corpus)? {
        ask(&fs::read(entry?.path())?);
        files += 1;
    }
    assert!(files > 0, "the corpus of {target} is gone");
    Ok(())
}
