//! What does one type record say? Bits to meaning, one record at a time, without following references.

/// The number of a type: 0 is `void`, the first record of vmlinux is 1, modules count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// A type record as it is encoded: `struct btf_type` and what follows it (btf.rst §2.2).
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// Offset of the name in the strings; 0 if there is none.
    pub name: u32,
    /// `vlen`, `kind` and `kind_flag`.
    pub info: u32,
    /// A size or a type id, depending on the kind.
    pub size_or_type: u32,
    /// The records that follow, by kind.
    pub rest: &'a [u8],
}

/// The BTF kinds of btf.rst §2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// Newer than this file, with a size known from the blob itself.
    Other,
}

/// A member of a STRUCT or UNION.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub name: u32,
    pub ty: TypeId,
    pub bit_offset: u32,
    /// The width, if it is declared as a bit-field.
    pub bits: Option<u32>,
}

impl TypeId {
    pub const VOID: Self = Self(0);
}

impl<'a> Type<'a> {
    pub(super) const VOID: Self = Self { name: 0, info: 0, size_or_type: 0, rest: &[] };

    pub fn kind(&self) -> Kind {
        Kind::numbered(kind_number(self.info))
    }

    /// Bit 31 of `info`; its meaning depends on the kind.
    pub fn kind_flag(&self) -> bool {
        self.info >> 31 == 1
    }

    /// The type this one is made of: of a PTR, TYPEDEF, qualifier, FUNC or FUNC_PROTO.
    pub fn target(&self) -> TypeId {
        TypeId(self.size_or_type)
    }

    /// Another name or a qualifier for the same bytes.
    pub fn is_alias(&self) -> bool {
        use Kind::{Const, Restrict, TypeTag, Typedef, Volatile};
        matches!(self.kind(), Typedef | Volatile | Const | Restrict | TypeTag)
    }

    /// The size in bytes, for kinds that have their own. BTF does not give that of a pointer.
    pub fn size(&self) -> Option<u32> {
        match self.kind() {
            Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                Some(self.size_or_type)
            }
            Kind::Ptr => Some(POINTER_SIZE),
            _ => None,
        }
    }

    /// The type and number of the elements of an ARRAY.
    pub fn array(&self) -> Option<(TypeId, u32)> {
        let [element, _index, len] = self.rows(self.kind() == Kind::Array).next()?;
        Some((TypeId(element), len))
    }

    /// Offset and width of an INT within its bytes. Compilers before `kind_flag` made bit-fields so.
    pub fn int_bits(&self) -> Option<(u32, u32)> {
        let [encoding] = self.rows(self.kind() == Kind::Int).next()?;
        Some((encoding >> 16 & 0xff, encoding & 0xff))
    }

    /// The members of a STRUCT or UNION.
    pub fn members(&self) -> impl Iterator<Item = Member> + use<'a> {
        let packed = self.kind_flag();
        self.rows(matches!(self.kind(), Kind::Struct | Kind::Union)).map(
            move |[name, ty, offset]| Member {
                name,
                ty: TypeId(ty),
                bit_offset: if packed { offset & 0xff_ffff } else { offset },
                bits: Some(offset >> 24).filter(|bits| packed && *bits > 0),
            },
        )
    }

    /// Names and types of the parameters of a FUNC_PROTO; `...` is a last one without either.
    pub fn params(&self) -> impl Iterator<Item = (u32, TypeId)> + use<'a> {
        self.rows(self.kind() == Kind::FuncProto).map(|[name, ty]| (name, TypeId(ty)))
    }

    /// Names and values of an ENUM or ENUM64.
    pub fn values(&self) -> impl Iterator<Item = (u32, i64)> + use<'a> {
        let signed = self.kind_flag();
        let small = self.rows(self.kind() == Kind::Enum).map(move |[name, value]| {
            (name, if signed { i64::from(value.cast_signed()) } else { i64::from(value) })
        });
        let large = self.rows(self.kind() == Kind::Enum64).map(|[name, low, high]| {
            (name, (u64::from(high) << 32 | u64::from(low)).cast_signed())
        });
        small.chain(large)
    }

    /// What C puts before the name.
    pub(super) fn keyword(&self) -> &'static str {
        match self.kind() {
            Kind::Union => "union ",
            Kind::Fwd if self.kind_flag() => "union ",
            Kind::Struct | Kind::Fwd => "struct ",
            Kind::Enum | Kind::Enum64 => "enum ",
            Kind::Void => "void",
            Kind::FuncProto => "function",
            _ => "",
        }
    }

    /// The words that follow the record, `N` at a time; none if the kind is not the one asked for.
    fn rows<const N: usize>(
        &self,
        is_of_kind: bool,
    ) -> impl Iterator<Item = [u32; N]> + use<'a, N> {
        let rest = if is_of_kind { self.rest } else { &[] };
        let (words, _) = rest.as_chunks::<4>();
        let (rows, _) = words.as_chunks::<N>();
        rows.iter().map(|row| row.map(u32::from_ne_bytes))
    }
}

impl Kind {
    fn numbered(number: u8) -> Self {
        KINDS.get(usize::from(number)).copied().unwrap_or(Self::Other)
    }
}

/// `kind` had 5 bits and `vlen` 16 until Linux 7.2, with unused zeroes above both.
pub(super) fn kind_number(info: u32) -> u8 {
    (info >> 24 & 0x7f) as u8
}

pub(super) fn vlen(info: u32) -> u32 {
    info & 0xff_ffff
}

/// Bytes that follow a record of a kind: once, and per `vlen`.
pub(super) fn trailing_bytes(number: u8) -> Option<(u8, u8)> {
    match Kind::numbered(number) {
        Kind::Int | Kind::Var | Kind::DeclTag => Some((4, 0)),
        Kind::Array => Some((12, 0)),
        Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => Some((0, 12)),
        Kind::Enum | Kind::FuncProto => Some((0, 8)),
        Kind::Void | Kind::Other => None,
        _ => Some((0, 0)),
    }
}

/// By number (`BTF_KIND_*`, include/uapi/linux/btf.h).
const KINDS: [Kind; 20] = [
    Kind::Void,
    Kind::Int,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::Func,
    Kind::FuncProto,
    Kind::Var,
    Kind::Datasec,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
];

/// BPF runs here on 64-bit kernels only.
const POINTER_SIZE: u32 = 8;
