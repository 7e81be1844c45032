//! Where does what is whole end? The rest of a file is what its writer had begun when it died.

use std::fs::File;
use std::io::{self, Read};

use zstd::zstd_safe::find_frame_compressed_size;

/// Bytes of a compressed recording up to the end of its last whole frame.
pub(super) fn whole_frames(from: &mut File) -> io::Result<u64> {
    let frame = |ahead: &[u8]| find_frame_compressed_size(ahead).ok();
    whole(from, frame)
}

/// Bytes of a plain recording up to the end of its last whole line.
pub(super) fn whole_lines(from: &mut File) -> io::Result<u64> {
    let line = |ahead: &[u8]| Some(ahead.iter().position(|byte| *byte == b'\n')? + 1);
    whole(from, line)
}

/// Bytes that whole pieces take. `piece` is the length of the first one of some bytes, if all of it is there.
fn whole(from: &mut File, piece: impl Fn(&[u8]) -> Option<usize>) -> io::Result<u64> {
    let (mut ahead, mut at, mut whole) = (Vec::new(), 0, 0);
    loop {
        let next = piece(&ahead[at..]).filter(|length| *length > 0 && at + length <= ahead.len());
        if let Some(length) = next {
            at += length;
            whole += u64::try_from(length).unwrap_or(u64::MAX);
            continue;
        }
        ahead.drain(..at);
        at = 0;
        if ahead.len() > LONGEST || from.by_ref().take(CHUNK).read_to_end(&mut ahead)? == 0 {
            return Ok(whole);
        }
    }
}

/// Bytes read at a time.
const CHUNK: u64 = 256 * 1024;

/// Bytes. No frame of ours is longer: it holds 128 KiB of text and one line, which readers take up to 4 MiB.
const LONGEST: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::recording::samples::Folder;

    fn held(bytes: &[u8]) -> (Folder, File) {
        let folder = Folder::new();
        let mut file = File::create_new(folder.path().join("file")).unwrap();
        file.write_all(bytes).unwrap();
        let mut file = File::open(folder.path().join("file")).unwrap();
        file.rewind().unwrap();
        (folder, file)
    }

    fn frames_in(bytes: &[u8]) -> u64 {
        whole_frames(&mut held(bytes).1).unwrap()
    }

    #[test]
    fn a_cut_frame_is_not_counted_wherever_it_was_cut() {
        let frames =
            ["one", "and two"].map(|text| zstd::bulk::compress(text.as_bytes(), 1).unwrap());
        let [one, two] = frames.each_ref().map(|frame| u64::try_from(frame.len()).unwrap());
        let both = frames.concat();
        for (cut, until) in (0_u64..).zip(0..=both.len()) {
            let expected = if cut >= one + two {
                one + two
            } else if cut >= one {
                one
            } else {
                0
            };
            assert_eq!(frames_in(&both[..until]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_what_is_whole() {
        let frame = zstd::bulk::compress(b"one", 1).unwrap();
        let zeros = vec![0; 9 * 1024 * 1024];
        assert_eq!(frames_in(&[&*frame, &zeros].concat()), frame.len() as u64);
        assert_eq!(frames_in(&zeros), 0);
    }

    #[test]
    fn lines_are_counted_with_their_ends() {
        let lines_in = |bytes: &[u8]| whole_lines(&mut held(bytes).1).unwrap();
        assert_eq!(lines_in(b"one\ntwo\nthr"), 8);
        assert_eq!(lines_in(b"\n"), 1);
        assert_eq!(lines_in(b"thr"), 0);
    }
}
