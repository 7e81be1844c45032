//! What is in one BTF blob: where does each type start, and which types have a name?

use std::ffi::CStr;
use std::ops::Range;

use super::BtfError;
use super::ty::{Type, TypeId, kind_number, trailing_bytes, vlen};

/// One blob, indexed. It does not follow references, which may lead into the blob below.
pub(super) struct Layer {
    bytes: Vec<u8>,
    strings: Range<usize>,
    first_id: u32,
    first_string: u32,
    /// Where each type record starts in `bytes`, and where the last one ends.
    bounds: Vec<u32>,
    names: Names,
}

/// The sections of a blob, as ranges of its bytes (`struct btf_header`, btf.rst §2).
struct Sections {
    types: Range<usize>,
    strings: Range<usize>,
    /// Sizes of kinds (`struct btf_layout`, since Linux 7.2); empty before.
    layout: Range<usize>,
}

/// Types by the hash of their name: chains in two arrays, built without an allocation per name.
#[derive(Default)]
struct Names {
    /// By hash: one more than the index of the first type of a chain.
    heads: Vec<u32>,
    /// By type: the same for the next one.
    next: Vec<u32>,
}

impl Layer {
    /// Finds the sections and walks once over the types. Ids and string offsets start where the
    /// layer below ended.
    pub(super) fn scan(bytes: Vec<u8>, first_id: u32, first_string: u32) -> Result<Self, BtfError> {
        let sections = Sections::of(&bytes)?;
        check_strings(&bytes[sections.strings.clone()], first_string)?;
        let bounds = type_bounds(&bytes, &sections)?;
        first_id.checked_add(len_u32(bounds.len())).ok_or(BtfError::TooBig)?;
        let names = Names::default();
        Ok(Self { bytes, strings: sections.strings, first_id, first_string, bounds, names })
    }

    /// Makes types findable by name; some have theirs in the strings of the layers `below`.
    pub(super) fn index_names<'a>(
        &mut self,
        below: impl Fn(u32) -> Option<&'a str>,
    ) -> Result<(), BtfError> {
        let mut names = Names::sized(self.len());
        for index in 0..self.len() {
            let name = self.record(index).map_or(0, |ty| ty.name);
            if name != 0 {
                let found = if name < self.first_string { below(name) } else { self.string(name) };
                names.insert(found.ok_or(BtfError::BadString(name))?, index);
            }
        }
        self.names = names;
        Ok(())
    }

    pub(super) fn first_id(&self) -> u32 {
        self.first_id
    }

    pub(super) fn first_string(&self) -> u32 {
        self.first_string
    }

    pub(super) fn next_id(&self) -> u32 {
        self.first_id + len_u32(self.len())
    }

    pub(super) fn next_string(&self) -> u32 {
        self.first_string + len_u32(self.strings.len())
    }

    pub(super) fn ty(&self, id: TypeId) -> Option<Type<'_>> {
        self.record(id.0.checked_sub(self.first_id)? as usize)
    }

    pub(super) fn string(&self, offset: u32) -> Option<&str> {
        let strings = self.bytes.get(self.strings.clone())?;
        let tail = strings.get(offset.checked_sub(self.first_string)? as usize..)?;
        let tail = tail.get(..MAX_NAME).unwrap_or(tail);
        CStr::from_bytes_until_nul(tail).ok()?.to_str().ok()
    }

    /// The types whose name may be this one.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.names.chain(name).map(|index| TypeId(self.first_id + index))
    }

    fn len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    fn record(&self, index: usize) -> Option<Type<'_>> {
        let (start, end) = (*self.bounds.get(index)?, *self.bounds.get(index + 1)?);
        let (head, rest) =
            self.bytes.get(start as usize..end as usize)?.split_at_checked(RECORD)?;
        Some(Type {
            name: word(head, 0)?,
            info: word(head, 4)?,
            size_or_type: word(head, 8)?,
            rest,
        })
    }
}

impl Sections {
    fn of(bytes: &[u8]) -> Result<Self, BtfError> {
        if bytes.len() > MAX_BYTES {
            return Err(BtfError::TooBig);
        }
        let header_len = check_header(bytes)?;
        let section =
            |at: usize, what| section(bytes, header_len, at).ok_or(BtfError::Truncated(what));
        Ok(Self {
            types: section(8, "types")?,
            strings: section(16, "strings")?,
            layout: if header_len >= 32 { section(24, "layout")? } else { 0..0 },
        })
    }
}

impl Names {
    fn sized(types: usize) -> Self {
        Self { heads: vec![0; types.next_power_of_two()], next: vec![0; types] }
    }

    fn insert(&mut self, name: &str, index: usize) {
        let slot = self.slot(name);
        if let (Some(head), Some(next)) = (self.heads.get_mut(slot), self.next.get_mut(index)) {
            *next = std::mem::replace(head, len_u32(index) + 1);
        }
    }

    fn chain(&self, name: &str) -> impl Iterator<Item = u32> {
        let link = |entry: Option<&u32>| entry.and_then(|entry| entry.checked_sub(1));
        let head = link(self.heads.get(self.slot(name)));
        std::iter::successors(head, move |index| link(self.next.get(*index as usize)))
    }

    fn slot(&self, name: &str) -> usize {
        hash(name) as usize & self.heads.len().saturating_sub(1)
    }
}

/// FNV-1a: short, and good enough for identifiers.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Returns the length of the header, which grows with new sections.
fn check_header(bytes: &[u8]) -> Result<usize, BtfError> {
    match bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic)) {
        Some(MAGIC) => {}
        Some(magic) if magic == MAGIC.swap_bytes() => return Err(BtfError::ForeignEndian),
        _ => return Err(BtfError::NotBtf),
    }
    match bytes.get(2) {
        Some(1) | None => {}
        Some(version) => return Err(BtfError::UnknownVersion(*version)),
    }
    let len = word(bytes, 4).map_or(0, |len| len as usize);
    let fits = len >= MIN_HEADER && len <= bytes.len();
    if fits { Ok(len) } else { Err(BtfError::Truncated("header")) }
}

/// The section whose offset from the header's end and length are given at `at`.
fn section(bytes: &[u8], header_len: usize, at: usize) -> Option<Range<usize>> {
    let start = header_len.checked_add(word(bytes, at)? as usize)?;
    let end = start.checked_add(word(bytes, at + 4)? as usize)?;
    bytes.get(start..end).map(|_| start..end)
}

/// Strings end with a NUL; those of vmlinux start with one, the empty name.
fn check_strings(strings: &[u8], first: u32) -> Result<(), BtfError> {
    let is_split = first > 0;
    let starts_well = is_split || strings.first() == Some(&0);
    let ends_well = strings.last().copied().unwrap_or_default() == 0;
    first.checked_add(len_u32(strings.len())).ok_or(BtfError::TooBig)?;
    if starts_well && ends_well { Ok(()) } else { Err(BtfError::Truncated("strings")) }
}

fn type_bounds(bytes: &[u8], sections: &Sections) -> Result<Vec<u32>, BtfError> {
    let Range { start: mut at, end } = sections.types;
    let layout = &bytes[sections.layout.clone()];
    let mut bounds = Vec::with_capacity((end - at) / TYPICAL_RECORD);
    while at < end {
        bounds.push(len_u32(at));
        let info = word(bytes, at + 4).ok_or(BtfError::Truncated("types"))?;
        at += record_len(info, layout)?;
    }
    bounds.push(len_u32(end));
    if at == end { Ok(bounds) } else { Err(BtfError::Truncated("types")) }
}

/// The length of a type record, at most 12 + 255 + 255 · 2^24 bytes.
fn record_len(info: u32, layout: &[u8]) -> Result<usize, BtfError> {
    let kind = kind_number(info);
    let in_layout =
        || layout.as_chunks::<4>().0.get(usize::from(kind)).map(|entry| (entry[0], entry[1]));
    let (once, each) =
        trailing_bytes(kind).or_else(in_layout).ok_or(BtfError::UnknownKind(kind))?;
    let len = u64::from(once) + u64::from(each) * u64::from(vlen(info));
    usize::try_from(len).ok().and_then(|len| len.checked_add(RECORD)).ok_or(BtfError::TooBig)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

/// A length or position within a blob; [`MAX_BYTES`] keeps it far from the end of `u32`.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

const MAGIC: u16 = 0xeb9f;
/// As of Linux 4.18; later ones may be longer.
const MIN_HEADER: usize = 24;
/// `sizeof(struct btf_type)`.
const RECORD: usize = 12;
/// On average in the kernels of Linux 5.10 to 7.2.
const TYPICAL_RECORD: usize = 24;
/// Ten times the BTF of a distribution's kernel.
const MAX_BYTES: usize = 64 << 20;
/// With the NUL; twice the kernel's `KSYM_NAME_LEN`.
const MAX_NAME: usize = 1024;
