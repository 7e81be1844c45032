//! From the bytes of a file to its text, frame by frame. A damaged frame is left out whole, and reading goes on at
//! the next one.

use std::io::{self, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation};

/// The text of one file.
pub(super) enum Text {
    Plain(Box<dyn Read>),
    Frames(Box<Frames>),
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text was added.
    Text,
    /// A part was damaged, and is left out; what comes next begins a frame.
    Gap(String),
    /// The file ends in the middle of a frame.
    Torn,
    End,
}

impl Text {
    /// Compressed or plain: the first bytes, which must be at hand, tell.
    pub(super) fn new(first: Vec<u8>, from: Box<dyn Read>) -> io::Result<Self> {
        if first.starts_with(&MAGIC) {
            return Ok(Self::Frames(Box::new(Frames::new(first, from)?)));
        }
        Ok(Self::Plain(Box::new(io::Cursor::new(first).chain(from))))
    }

    /// Adds the next piece of text. An error means that nothing more can be had.
    pub(super) fn read(&mut self, to: &mut Vec<u8>) -> io::Result<Piece> {
        match self {
            Self::Plain(from) => match read_some(from, to)? {
                0 => Ok(Piece::End),
                _ => Ok(Piece::Text),
            },
            Self::Frames(frames) => frames.read(to),
        }
    }
}

/// Compressed text. A frame is believed when it is whole and its checksum is right; only what is too large to be a
/// frame of ours is passed on before.
pub(super) struct Frames {
    from: Box<dyn Read>,
    decoder: Decoder<'static>,
    /// Bytes of the file; the frame that is being read begins at `begin`, what was not looked at yet at `next`.
    raw: Vec<u8>,
    begin: usize,
    next: usize,
    /// Text of the frame so far.
    held: Vec<u8>,
    within: bool,
    /// What is wrong with the bytes that are being left out.
    damage: Option<String>,
    /// All of them are zeros.
    zeros: bool,
    /// Bytes read, and bytes of text made of them.
    compressed: u64,
    expanded: u64,
}

impl Frames {
    fn new(first: Vec<u8>, from: Box<dyn Read>) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        let compressed = len(first.len());
        Ok(Self {
            from,
            decoder,
            raw: first,
            begin: 0,
            next: 0,
            held: Vec::new(),
            within: false,
            damage: None,
            zeros: true,
            compressed,
            expanded: 0,
        })
    }

    fn read(&mut self, to: &mut Vec<u8>) -> io::Result<Piece> {
        loop {
            if !self.within && !self.held.is_empty() {
                to.append(&mut self.held);
                return Ok(Piece::Text);
            }
            if self.is_bomb() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, BOMB));
            }
            if self.next == self.raw.len() && !self.fill()? {
                return self.end(to);
            }
            match self.step() {
                Ok(Step::Middle) if self.held.len() < HELD => {}
                Ok(_) => {
                    if let Some(why) = self.damage.take() {
                        self.zeros = true;
                        return Ok(Piece::Gap(why));
                    }
                    to.append(&mut self.held);
                    return Ok(Piece::Text);
                }
                Err(error) => self.leave_out(&error),
            }
        }
    }

    /// Takes some bytes through the decoder, until it wants more or the frame is whole.
    fn step(&mut self) -> io::Result<Step> {
        loop {
            let from = self.held.len();
            self.held.resize(from + CHUNK, 0);
            let (raw, to) = (&self.raw[self.next..], &mut self.held[from..]);
            let done = self.decoder.run_on_buffers(raw, to);
            let written = done.as_ref().map_or(0, |done| done.bytes_written);
            self.held.truncate(from + written);
            let done = done?;
            self.next += done.bytes_read;
            self.expanded += len(written);
            self.within = done.remaining != 0;
            if !self.within {
                self.begin = self.next;
                return Ok(Step::Whole);
            }
            if written < CHUNK || self.held.len() >= HELD {
                return Ok(Step::Middle);
            }
        }
    }

    /// The frame that is being read is not believed; the next one may begin anywhere behind its first byte.
    fn leave_out(&mut self, why: &io::Error) {
        self.damage.get_or_insert_with(|| why.to_string());
        self.held.clear();
        self.within = false;
        // Only the session is reset, which cannot fail.
        _ = self.decoder.reinit();
        let from = (self.begin + 1).min(self.raw.len());
        let found = self.raw[from..].windows(MAGIC.len()).position(|bytes| bytes == MAGIC);
        // The last bytes may be the beginning of one.
        let rest = self.raw.len().saturating_sub(MAGIC.len() - 1).max(from);
        let at = found.map_or(rest, |at| from + at);
        self.zeros &= self.raw[self.begin..at].iter().all(|byte| *byte == 0);
        (self.begin, self.next) = (at, at);
    }

    /// Nothing more comes. A machine that lost its power may leave zeros where a frame was to be.
    fn end(&mut self, to: &mut Vec<u8>) -> io::Result<Piece> {
        let zeros = self.zeros && self.raw[self.begin..].iter().all(|byte| *byte == 0);
        match self.damage.take() {
            Some(why) if !zeros => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
            None if !self.within => return Ok(Piece::End),
            _ => {}
        }
        self.within = false;
        self.begin = self.raw.len();
        to.append(&mut self.held);
        Ok(Piece::Torn)
    }

    fn fill(&mut self) -> io::Result<bool> {
        let large = self.raw.len() - self.begin > KEPT;
        let done = if large || !self.within { self.next } else { self.begin };
        self.raw.drain(..done);
        (self.begin, self.next) = (0, self.next - done);
        let read = read_some(&mut self.from, &mut self.raw)?;
        self.compressed += len(read);
        Ok(read > 0)
    }

    fn is_bomb(&self) -> bool {
        self.expanded > SMALL + self.compressed.saturating_mul(RATIO)
    }
}

enum Step {
    Middle,
    Whole,
}

/// Adds what one call of the system gives.
pub(super) fn read_some(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<usize> {
    let len = to.len();
    to.resize(len + CHUNK, 0);
    let read = loop {
        match from.read(&mut to[len..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    to.truncate(len + read.as_ref().map_or(0, |read| *read));
    read
}

fn len(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// First bytes of a zstd frame (RFC 8878, 3.1.1).
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// 128 MiB is the most a foreign compressor may make us remember; our own frames need 128 KiB.
const WINDOW_LOG: u32 = 27;

/// Bytes read or expanded at a time.
const CHUNK: usize = 64 * 1024;

/// Bytes of text that wait for the end of their frame. A frame of ours has 128 KiB and one line.
const HELD: usize = 8 * 1024 * 1024;

/// Bytes of a file, from the beginning of a frame, that are looked through again when it turns out to be damaged.
const KEPT: usize = 1024 * 1024;

/// Text may be so many times larger than the file it comes from. Our own is 6 times larger; a day without a reset,
/// packed anew as tightly as zstd can, some dozens of times.
const RATIO: u64 = 500;

/// Bytes of text of which the ratio proves nothing.
const SMALL: u64 = 64 * 1024 * 1024;

const BOMB: &str = "it expands to more than any recording does";

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &[u8]) -> Vec<u8> {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        compressor.include_checksum(true).unwrap();
        compressor.compress(text).unwrap()
    }

    /// Numbers, so that a frame is no repetition.
    fn lines(from: u32) -> Vec<u8> {
        (from..from + 1_000)
            .flat_map(|n| format!("line {}\n", n.wrapping_mul(n)).into_bytes())
            .collect()
    }

    fn three() -> [Vec<u8>; 3] {
        [0, 10_000, 20_000].map(|from| frame(&lines(from)))
    }

    /// The text, and what was said on the way: `gap`, then `end`, `torn`, or the error.
    fn read(bytes: &[u8]) -> (Vec<u8>, String) {
        let mut text = Text::new(bytes.to_vec(), Box::new(io::empty())).unwrap();
        let (mut all, mut said) = (Vec::new(), Vec::new());
        loop {
            match text.read(&mut all) {
                Ok(Piece::Text) => {}
                Ok(Piece::Gap(_)) => said.push("gap".to_owned()),
                Ok(Piece::Torn) => said.push("torn".into()),
                Ok(Piece::End) => said.push("end".into()),
                Err(error) => said.push(error.to_string()),
            }
            if said.last().is_some_and(|last| last != "gap") {
                return (all, said.join(" "));
            }
        }
    }

    #[test]
    fn whole_frames_are_read_one_behind_the_other() {
        let (text, said) = read(&three().concat());
        assert_eq!(
            (text, said.as_str()),
            ([lines(0), lines(10_000), lines(20_000)].concat(), "end")
        );
    }

    #[test]
    fn plain_text_is_read_as_it_is() {
        assert_eq!(read(b"one\ntwo"), (b"one\ntwo".to_vec(), "end".into()));
    }

    #[test]
    fn a_cut_anywhere_keeps_what_is_whole_and_invents_nothing() {
        let bytes = three().concat();
        let whole = [lines(0), lines(10_000), lines(20_000)].concat();
        let first = three()[0].len();
        for cut in (4..bytes.len()).step_by(211) {
            let (text, said) = read(&bytes[..cut]);
            assert!(whole.starts_with(&text), "cut at {cut}");
            assert!(text.len() >= lines(0).len() || cut < first, "cut at {cut}");
            let ends = [0, 1, 2].map(|n| three()[..=n].concat().len());
            assert_eq!(said, if ends.contains(&cut) { "end" } else { "torn" }, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_frame_is_left_out_whole() {
        let [one, two, three] = three();
        for at in (5..two.len()).step_by(193) {
            let mut damaged = two.clone();
            damaged[at] ^= 0x10;
            let (text, said) = read(&[one.clone(), damaged, three.clone()].concat());
            assert_eq!(said, "gap end", "damaged at {at}");
            assert!(text == [lines(0), lines(20_000)].concat(), "damaged at {at}");
        }
    }

    #[test]
    fn bytes_that_are_missing_or_too_many_are_a_gap() {
        let [one, two, three] = three();
        for (damage, expected) in [
            (two[..two.len() / 2].to_vec(), [lines(0), lines(20_000)].concat()),
            (two[100..].to_vec(), [lines(0), lines(20_000)].concat()),
            (
                [b"rubbish".to_vec(), two.clone()].concat(),
                [lines(0), lines(10_000), lines(20_000)].concat(),
            ),
        ] {
            let (text, said) = read(&[one.clone(), damage, three.clone()].concat());
            assert_eq!(said, "gap end");
            assert!(text == expected);
        }
    }

    #[test]
    fn damage_without_a_frame_behind_it_is_an_error_at_the_end() {
        let [one, two, _] = three();
        let mut damaged = two;
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let (text, said) = read(&[one, damaged].concat());
        assert!(text == lines(0) && said.contains("checksum"), "{said}");
    }

    #[test]
    fn zeros_at_the_end_were_never_written() {
        let [one, two, _] = three();
        let (text, said) = read(&[one, two, vec![0; 100_000]].concat());
        assert!(text == [lines(0), lines(10_000)].concat() && said == "torn", "{said}");
    }

    #[test]
    fn a_bomb_is_not_blown_up() {
        let bomb = frame(&vec![b'a'; 300 * 1024 * 1024]);
        let (text, said) = read(&bomb);
        assert_eq!(said, BOMB);
        assert!(text.len() <= 80 * 1024 * 1024, "{}", text.len());
    }
}
