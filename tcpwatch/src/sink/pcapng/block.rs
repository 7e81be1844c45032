//! The grammar of pcapng: blocks with their length at both ends, options behind their bodies
//! (draft-ietf-opsawg-pcapng).

/// A block that is being written to the end of a buffer, little endian.
pub(super) struct Block<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Block<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, kind: u32) -> Self {
        let start = out.len();
        out.extend(kind.to_le_bytes());
        // The length, known at the end.
        out.extend([0; 4]);
        Self { out, start }
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.out.extend(value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.extend(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.out.extend(value.to_le_bytes());
    }

    /// Nanoseconds since 1970: the upper half comes first.
    pub(super) fn time(&mut self, nanos: u64) {
        let [.., a, b, c, d] = nanos.to_le_bytes();
        self.out.extend([a, b, c, d]);
        self.out.extend_from_slice(&nanos.to_le_bytes()[..4]);
    }

    /// A packet with its captured and its original length, which here are the same.
    pub(super) fn packet(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.u32(length);
        self.padded(bytes);
    }

    pub(super) fn option(&mut self, code: u16, value: &[u8]) {
        self.u16(code);
        self.u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        self.padded(value);
    }

    /// As much of a text as an option can hold.
    pub(super) fn text(&mut self, code: u16, text: &str) {
        let end = text.floor_char_boundary(usize::from(u16::MAX));
        self.option(code, &text.as_bytes()[..end]);
    }

    pub(super) fn end(mut self) {
        self.option(END_OF_OPTIONS, &[]);
        let length = self.out.len() + 4 - self.start;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.out[self.start + 4..self.start + 8].copy_from_slice(&length.to_le_bytes());
        self.u32(length);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.out.extend(std::iter::repeat_n(0, bytes.len().next_multiple_of(4) - bytes.len()));
    }
}

const END_OF_OPTIONS: u16 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_bears_its_length_at_both_ends() {
        let mut out = vec![9];
        let mut block = Block::begin(&mut out, 5);
        block.time(0x0102_0304_0506_0708);
        block.text(1, "abc");
        block.end();
        let expected = [
            9, 5, 0, 0, 0, 32, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 1, 0, 3, 0, b'a', b'b', b'c', 0, 0,
            0, 0, 0, 32, 0, 0, 0,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_text_too_long_is_cut_between_characters() {
        let mut out = Vec::new();
        let mut block = Block::begin(&mut out, 6);
        block.text(1, &"€".repeat(30_000));
        block.end();
        let length = u16::from_le_bytes([out[10], out[11]]);
        assert_eq!(length, 65_535, "the longest value there is holds 21,845 of these");
        assert!(std::str::from_utf8(&out[12..12 + usize::from(length)]).is_ok());
        assert_eq!(out.len() % 4, 0);
    }
}
