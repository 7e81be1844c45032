//! How do five kernels fit into a source tree? As the types tcpwatch asks for, and nothing else.
//!
//! `prune-btf TYPES VMLINUX OUT [MODULE OUT]` copies the types listed in TYPES and all they hold by
//! value from one BTF file to another. Behind a pointer only the name of a type is kept.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use tcpwatch::btf::{Btf, Kind, Type, TypeId};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [types, vmlinux, out, module @ ..] = args.as_slice() else {
        bail!("usage: prune-btf TYPES VMLINUX OUT [MODULE OUT]");
    };
    let list = fs::read_to_string(types).with_context(|| format!("cannot read {types}"))?;
    let wanted = wanted(&list)?;
    let vmlinux = Btf::parse(read(vmlinux)?)?;
    let mut pruner = Pruner::default();
    pruner.prune(&vmlinux, &wanted, TypeId::VOID, out)?;
    if let [module, out] = module {
        let split = Btf::parse_split(read(module)?, &vmlinux)?;
        pruner.prune(&split, &wanted, TypeId(vmlinux.type_count()), out)?;
    }
    Ok(())
}

/// The lines `struct sock`, `outline task_struct`, `enum …`, `func …` and `typedef …` of the list.
fn wanted(list: &str) -> Result<Vec<Wanted<'_>>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').and_then(root).with_context(|| format!("unknown: {line}")))
        .collect()
}

fn root<'a>((keyword, name): (&str, &'a str)) -> Option<Wanted<'a>> {
    let kind = match keyword {
        "struct" | "outline" => Kind::Struct,
        "enum" => Kind::Enum,
        "func" => Kind::Func,
        "typedef" => Kind::Typedef,
        _ => return None,
    };
    let seen = if keyword == "outline" { Seen::Outline } else { Seen::Whole };
    Some(Wanted { kind, name, seen })
}

fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

struct Wanted<'a> {
    kind: Kind,
    name: &'a str,
    seen: Seen,
}

/// Numbers what is kept, in the order it is met; a module goes on where vmlinux ended.
#[derive(Default)]
struct Pruner {
    kept: HashMap<(TypeId, Seen), u32>,
    pending: VecDeque<(TypeId, Seen)>,
    strings: HashMap<String, u32>,
    strings_len: u32,
    out: Blob,
}

/// How a type is reached, which tells how much of it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Seen {
    Whole,
    /// Behind a pointer: structs become forward declarations, functions lose their parameters.
    Behind,
    /// The pointer of a `btf_trace_*` typedef, to a prototype that matters.
    Trace,
    /// A large struct that is asked for few of its own members.
    Outline,
    /// Within an outline: named structs keep their size only, and no name to be confused by.
    Inner,
}

#[derive(Default)]
struct Blob {
    types: Vec<u8>,
    strings: Vec<u8>,
}

/// What a word of a type record is.
#[derive(Clone, Copy)]
enum Word {
    Name,
    Type,
    Number,
}

impl Pruner {
    /// Keeps the wanted types among those numbered `from` and higher.
    fn prune(&mut self, btf: &Btf, wanted: &[Wanted], from: TypeId, out: &str) -> Result<()> {
        self.intern("");
        for Wanted { kind, name, seen } in wanted {
            for id in btf.named(*kind, name).filter(|id| *id >= from) {
                self.keep(btf, id, *seen)?;
            }
        }
        while let Some((id, seen)) = self.pending.pop_front() {
            self.copy(btf, btf.ty(id)?, seen)?;
        }
        fs::write(out, std::mem::take(&mut self.out).bytes()?)
            .with_context(|| format!("cannot write {out}"))
    }

    /// The new number of a type.
    fn keep(&mut self, btf: &Btf, id: TypeId, seen: Seen) -> Result<u32> {
        let Some(seen) = needed(btf, id, seen)? else {
            return Ok(0);
        };
        let next = u32::try_from(self.kept.len())? + 1;
        let number = *self.kept.entry((id, seen)).or_insert(next);
        if number == next {
            self.pending.push_back((id, seen));
        }
        Ok(number)
    }

    fn copy(&mut self, btf: &Btf, ty: Type, seen: Seen) -> Result<()> {
        let name = btf.string(ty.name)?;
        let child = child(&ty, name, seen);
        let ty = match seen {
            Seen::Behind => declaration(ty),
            Seen::Inner => hollow(ty),
            _ => ty,
        };
        let kind = ty.kind();
        let (own, rows) = shape(kind).with_context(|| format!("{name}: unexpected {kind:?}"))?;
        let head = [(ty.name, Word::Name), (ty.info, Word::Number), (ty.size_or_type, own)];
        let rest = ty.rest.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word));
        for (word, meaning) in head.into_iter().chain(rest.zip(rows.iter().copied().cycle())) {
            let word = self.renumbered(btf, word, meaning, child)?;
            self.out.types.extend(word.to_ne_bytes());
        }
        Ok(())
    }

    fn renumbered(&mut self, btf: &Btf, word: u32, meaning: Word, seen: Seen) -> Result<u32> {
        match meaning {
            Word::Name => Ok(self.intern(btf.string(word)?)),
            Word::Type => self.keep(btf, TypeId(word), seen),
            Word::Number => Ok(word),
        }
    }

    fn intern(&mut self, text: &str) -> u32 {
        if let Some(offset) = self.strings.get(text) {
            return *offset;
        }
        let offset = self.strings_len;
        self.strings.insert(text.to_owned(), offset);
        self.out.strings.extend(text.bytes().chain([0]));
        self.strings_len += u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
        offset
    }
}

impl Blob {
    /// `struct btf_header`, then types, then strings.
    fn bytes(self) -> Result<Vec<u8>> {
        let [types, strings] =
            [u32::try_from(self.types.len())?, u32::try_from(self.strings.len())?];
        let words = [24, 0, types, types, strings].map(u32::to_ne_bytes).concat();
        Ok([&0xeb9f_u16.to_ne_bytes(), &[1, 0], words.as_slice(), &self.types, &self.strings]
            .concat())
    }
}

/// How the types that this one refers to are seen.
fn child(ty: &Type, name: &str, seen: Seen) -> Seen {
    match ty.kind() {
        Kind::Ptr if seen != Seen::Trace => Seen::Behind,
        Kind::Typedef if name.starts_with("btf_trace_") => Seen::Trace,
        Kind::Struct | Kind::Union if matches!(seen, Seen::Outline | Seen::Inner) => Seen::Inner,
        _ if ty.is_alias() || ty.kind() == Kind::Array => seen,
        _ => Seen::Whole,
    }
}

/// How much of a type is needed if seen so; nothing of `void` and of nameless structs behind pointers.
fn needed(btf: &Btf, id: TypeId, seen: Seen) -> Result<Option<Seen>> {
    if id == TypeId::VOID {
        return Ok(None);
    }
    let mut ty = btf.ty(id)?;
    while ty.is_alias() {
        ty = btf.ty(ty.target())?;
    }
    Ok(match (seen, ty.kind()) {
        (Seen::Behind, Kind::Struct | Kind::Union) if ty.name == 0 => None,
        (Seen::Behind, Kind::Struct | Kind::Union | Kind::FuncProto | Kind::Array) => {
            Some(Seen::Behind)
        }
        (Seen::Inner, Kind::Struct | Kind::Union | Kind::Array) => Some(Seen::Inner),
        (Seen::Trace | Seen::Outline, _) => Some(seen),
        _ => Some(Seen::Whole),
    })
}

/// The same type without its inside.
fn declaration(ty: Type) -> Type {
    match ty.kind() {
        Kind::Struct => Type { info: FWD, size_or_type: 0, rest: &[], ..ty },
        Kind::Union => Type { info: FWD | KIND_FLAG, size_or_type: 0, rest: &[], ..ty },
        Kind::FuncProto => Type { info: FUNC_PROTO, size_or_type: 0, rest: &[], ..ty },
        _ => ty,
    }
}

/// The same type with only its size left, if it is a struct with a name.
fn hollow(ty: Type) -> Type {
    match ty.kind() {
        Kind::Struct | Kind::Union if ty.name != 0 => {
            Type { name: 0, info: STRUCT, rest: &[], ..ty }
        }
        _ => ty,
    }
}

/// What the third word of a record is, and the words that follow it (btf.rst §2.2).
fn shape(kind: Kind) -> Option<(Word, &'static [Word])> {
    use Word::{Name, Number, Type};
    Some(match kind {
        Kind::Int => (Number, &[Number]),
        Kind::Fwd | Kind::Float => (Number, &[]),
        Kind::Struct | Kind::Union => (Number, &[Name, Type, Number]),
        Kind::Array => (Number, &[Type, Type, Number]),
        Kind::Enum => (Number, &[Name, Number]),
        Kind::Enum64 => (Number, &[Name, Number, Number]),
        Kind::FuncProto => (Type, &[Name, Type]),
        Kind::Ptr | Kind::Func => (Type, &[]),
        Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
            (Type, &[])
        }
        _ => return None,
    })
}

const STRUCT: u32 = 4 << 24;
const FWD: u32 = 7 << 24;
const FUNC_PROTO: u32 = 13 << 24;
const KIND_FLAG: u32 = 1 << 31;
