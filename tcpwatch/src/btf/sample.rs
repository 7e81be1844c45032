//! BTF for tests, written type by type.

use super::{Btf, BtfError};

/// Makes a blob; ids count from 1, or from where the base ended.
pub(super) struct Sample {
    types: Vec<u8>,
    strings: Vec<u8>,
    first_string: u32,
    next_id: u32,
    pub(super) layout: Vec<u8>,
}

/// A member of a struct: name, type, offset word.
pub(super) type MemberWords<'a> = (&'a str, u32, u32);

impl Sample {
    pub(super) fn new() -> Self {
        Self { types: vec![], strings: vec![0], first_string: 0, next_id: 1, layout: vec![] }
    }

    pub(super) fn split_from(base: &Btf) -> Self {
        let (first_string, next_id) = (base.strings_len(), base.type_count());
        Self { types: vec![], strings: vec![], first_string, next_id, layout: vec![] }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let header_len = if self.layout.is_empty() { 24 } else { 32 };
        let [types, strings, layout] =
            [&self.types, &self.strings, &self.layout].map(|part| as_u32(part.len()));
        let mut bytes = vec![];
        bytes.extend(0xeb9f_u16.to_ne_bytes());
        bytes.extend([1, 0]);
        bytes.extend(words(&[header_len, 0, types, types, strings]));
        if header_len == 32 {
            bytes.extend(words(&[types + strings, layout]));
        }
        [bytes.as_slice(), &self.types, &self.strings, &self.layout].concat()
    }

    pub(super) fn parse(&self) -> Result<Btf, BtfError> {
        Btf::parse(self.bytes())
    }

    pub(super) fn btf(&self) -> Btf {
        self.parse().expect("the sample is well-formed")
    }

    /// A record of any kind: `info` is kind, kind_flag and vlen.
    pub(super) fn raw(&mut self, name: u32, info: u32, size_or_type: u32, rest: &[u32]) -> u32 {
        self.types.extend(words(&[name, info, size_or_type]));
        self.types.extend(words(rest));
        self.next_id += 1;
        self.next_id - 1
    }

    pub(super) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.first_string + as_u32(self.strings.len());
        self.strings.extend(text.bytes());
        self.strings.push(0);
        at
    }

    pub(super) fn int(&mut self, name: &str, size: u32) -> u32 {
        self.int_with_bits(name, size, 0, size * 8)
    }

    pub(super) fn int_with_bits(&mut self, name: &str, size: u32, offset: u32, bits: u32) -> u32 {
        let name = self.string(name);
        self.raw(name, 1 << 24, size, &[offset << 16 | bits])
    }

    pub(super) fn ptr(&mut self, to: u32) -> u32 {
        self.raw(0, 2 << 24, to, &[])
    }

    pub(super) fn array(&mut self, of: u32, len: u32) -> u32 {
        self.raw(0, 3 << 24, 0, &[of, 0, len])
    }

    pub(super) fn structure(&mut self, name: &str, size: u32, members: &[MemberWords]) -> u32 {
        self.composite(4 << 24, name, size, members)
    }

    /// A struct with kind_flag set: offset words are `width << 24 | bit offset`.
    pub(super) fn packed(&mut self, name: &str, size: u32, members: &[MemberWords]) -> u32 {
        self.composite(4 << 24 | 1 << 31, name, size, members)
    }

    pub(super) fn union(&mut self, name: &str, size: u32, members: &[MemberWords]) -> u32 {
        self.composite(5 << 24, name, size, members)
    }

    pub(super) fn typedef(&mut self, name: &str, to: u32) -> u32 {
        let name = self.string(name);
        self.raw(name, 8 << 24, to, &[])
    }

    pub(super) fn volatile(&mut self, to: u32) -> u32 {
        self.raw(0, 9 << 24, to, &[])
    }

    pub(super) fn constant(&mut self, to: u32) -> u32 {
        self.raw(0, 10 << 24, to, &[])
    }

    pub(super) fn enumeration(&mut self, name: &str, signed: bool, values: &[(&str, u32)]) -> u32 {
        let rest: Vec<u32> =
            values.iter().flat_map(|(name, value)| [self.string(name), *value]).collect();
        let name = self.string(name);
        self.raw(name, 6 << 24 | u32::from(signed) << 31 | as_u32(values.len()), 4, &rest)
    }

    pub(super) fn function(&mut self, name: &str, ret: u32, params: &[(&str, u32)]) -> u32 {
        let proto = self.function_type(ret, params);
        let name = self.string(name);
        self.raw(name, 12 << 24, proto, &[])
    }

    pub(super) fn function_type(&mut self, ret: u32, params: &[(&str, u32)]) -> u32 {
        let words: Vec<u32> =
            params.iter().flat_map(|(name, ty)| [self.string(name), *ty]).collect();
        self.raw(0, 13 << 24 | as_u32(params.len()), ret, &words)
    }

    fn composite(&mut self, info: u32, name: &str, size: u32, members: &[MemberWords]) -> u32 {
        let rest: Vec<u32> =
            members.iter().flat_map(|(name, ty, at)| [self.string(name), *ty, *at]).collect();
        let name = self.string(name);
        self.raw(name, info | as_u32(members.len()), size, &rest)
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn as_u32(len: usize) -> u32 {
    u32::try_from(len).expect("samples are small")
}
