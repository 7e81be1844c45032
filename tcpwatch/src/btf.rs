//! Where is a field, what does a function take, which number has an enum's name — in *this* kernel?
//!
//! A reader of BTF, the kernel's description of its own types (`Documentation/bpf/btf.rst`; kinds are
//! written in capitals as there). Bytes in, answers out: no I/O, no panic and a bounded amount of work
//! whatever the bytes are. Missing is an error to be handled, never an offset of 0.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tcpwatch::btf::Btf;
//! let vmlinux = Btf::parse(std::fs::read("/sys/kernel/btf/vmlinux")?)?;
//! let state = vmlinux.member("sock.__sk_common.skc_state")?.byte_offset();
//! let reason = vmlinux.function("tcp_v4_send_reset")?.param_of_type("enum sk_rst_reason");
//! # Ok(()) }
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod error;
mod layer;
#[cfg(test)]
mod sample;
mod ty;

use std::fmt;
use std::sync::Arc;

pub use error::BtfError;
use layer::Layer;
pub use ty::{Kind, Member, Type, TypeId};

/// The types of a kernel, or of a kernel and one of its modules. Cheap to clone.
#[derive(Clone)]
pub struct Btf {
    /// vmlinux first, then what was split from it.
    layers: Vec<Arc<Layer>>,
}

/// Where a field lies, counted from the start of the struct its path began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub bit_offset: u32,
    /// The width of a bit-field, else eight times the size of the type.
    pub bit_width: u32,
    pub kind: FieldKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number: INT, ENUM, ENUM64 or FLOAT.
    Scalar,
    Pointer,
    Array,
    /// A STRUCT or UNION.
    Struct,
}

/// What a function, or a program on a tracepoint, is given and gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    pub params: Vec<Param>,
    /// Spelled like [`Param::ty`].
    pub ret: String,
    /// Takes `...` too, which fentry refuses.
    pub variadic: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Empty for tracepoints: a function type has no names.
    pub name: String,
    /// As C spells it, without qualifiers: `struct sk_buff *`, `enum sk_rst_reason`, `gfp_t`.
    pub ty: String,
}

impl Btf {
    /// Reads a whole BTF blob, such as `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self { layers: Vec::new() }.extended(bytes)
    }

    /// Reads the BTF of a module, which continues the type ids and string offsets of `base`.
    pub fn parse_split(bytes: Vec<u8>, base: &Self) -> Result<Self, BtfError> {
        base.clone().extended(bytes)
    }

    /// The type of that kind and name. Several of one name are an error if they differ in size.
    pub fn find(&self, kind: Kind, name: &str) -> Result<TypeId, BtfError> {
        self.agreed(&[kind], name, |id| Ok(self.size_of(id).ok()))?;
        let first = self.named(kind, name).next();
        first.ok_or_else(|| BtfError::NoSuchType(name.to_owned()))
    }

    /// The size in bytes of a type that has one.
    pub fn size_of(&self, id: TypeId) -> Result<u32, BtfError> {
        let mut id = id;
        let mut count = 1_u32;
        for _ in 0..MAX_DEPTH {
            let ty = self.ty(id)?;
            if let Some((element, len)) = ty.array() {
                (id, count) = (element, count.checked_mul(len).ok_or(BtfError::TooBig)?);
            } else if ty.is_alias() {
                id = ty.target();
            } else {
                let size = ty.size().ok_or(BtfError::Sizeless)?;
                return size.checked_mul(count).ok_or(BtfError::TooBig);
            }
        }
        Err(BtfError::TooDeep)
    }

    /// The field at a path that starts with a STRUCT or UNION: `nf_conn.tuplehash[1].tuple.src.u3`.
    /// Members of anonymous structs and unions are found as in C. Pointers are not followed.
    pub fn member(&self, path: &str) -> Result<Field, BtfError> {
        let (root, steps) =
            path.split_once('.').ok_or_else(|| BtfError::BadPath(path.to_owned()))?;
        self.agreed(&[Kind::Struct, Kind::Union], root, |ty| {
            let mut place = Place { ty, bit_offset: 0, bits: None };
            for step in steps.split('.') {
                place = self.step(place, step, path)?;
            }
            self.field(place)
        })
    }

    /// The prototype of a FUNC.
    pub fn function(&self, name: &str) -> Result<Prototype, BtfError> {
        self.agreed(&[Kind::Func], name, |id| self.prototype(self.ty(id)?.target()))
    }

    /// What a `tp_btf` program on this tracepoint is given: the FUNC_PROTO behind the TYPEDEF
    /// `btf_trace_<name>` without its first parameter, `void *__data`.
    pub fn tracepoint(&self, name: &str) -> Result<Prototype, BtfError> {
        self.agreed(&[Kind::Typedef], &format!("btf_trace_{name}"), |id| {
            let pointer = self.resolved(id)?;
            let mut prototype = self.prototype(pointer.target())?;
            prototype.params.drain(..prototype.params.len().min(1));
            Ok(prototype)
        })
    }

    /// The names and values of an ENUM or ENUM64. Values above `i64::MAX` wrap.
    pub fn enum_values(&self, name: &str) -> Result<Vec<(String, i64)>, BtfError> {
        self.agreed(&[Kind::Enum, Kind::Enum64], name, |id| {
            let ty = self.ty(id)?;
            ty.values().map(|(name, value)| Ok((self.string(name)?.to_owned(), value))).collect()
        })
    }
}

/// For tools that look at the types themselves.
impl Btf {
    /// How many type ids there are, with id 0, `void`.
    pub fn type_count(&self) -> u32 {
        self.layers.last().map_or(1, |layer| layer.next_id())
    }

    /// The size of the string section, with those below.
    pub fn strings_len(&self) -> u32 {
        self.layers.last().map_or(0, |layer| layer.next_string())
    }

    pub fn ty(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        if id == TypeId::VOID {
            return Ok(Type::VOID);
        }
        let layer = self.layers.iter().rev().find(|layer| layer.first_id() <= id.0);
        layer.and_then(|layer| layer.ty(id)).ok_or(BtfError::BadTypeId(id.0))
    }

    /// The string at an offset; offset 0 is the empty name of what is anonymous.
    pub fn string(&self, offset: u32) -> Result<&str, BtfError> {
        let layer = self.layers.iter().rev().find(|layer| layer.first_string() <= offset);
        layer.and_then(|layer| layer.string(offset)).ok_or(BtfError::BadString(offset))
    }

    /// All types of that kind and name.
    pub fn named(&self, kind: Kind, name: &str) -> impl Iterator<Item = TypeId> {
        self.layers.iter().flat_map(|layer| layer.candidates(name)).filter(move |id| {
            self.ty(*id).is_ok_and(|ty| {
                ty.kind() == kind && self.string(ty.name).is_ok_and(|found| found == name)
            })
        })
    }
}

impl Field {
    pub fn byte_offset(&self) -> u32 {
        self.bit_offset / 8
    }

    /// Not made of whole bytes: to be read with shift and mask.
    pub fn is_bitfield(&self) -> bool {
        !self.bit_offset.is_multiple_of(8) || !self.bit_width.is_multiple_of(8)
    }
}

impl Prototype {
    /// The index of the parameter of that name.
    pub fn param(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }

    /// The index of the first parameter of that type, spelled like [`Param::ty`].
    pub fn param_of_type(&self, ty: &str) -> Option<usize> {
        self.params.iter().position(|param| param.ty == ty)
    }
}

impl fmt::Display for Prototype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut params: Vec<_> = self.params.iter().map(ToString::to_string).collect();
        params.extend(self.variadic.then(|| "...".to_owned()));
        write!(f, "({}) -> {}", params.join(", "), self.ret)
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.ty.ends_with('*') || self.name.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}", self.ty, self.name)
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Btf({} types)", self.type_count())
    }
}

/// A type at a place within the struct a path started from.
#[derive(Clone, Copy)]
struct Place {
    ty: TypeId,
    bit_offset: u32,
    /// The declared width, for a bit-field.
    bits: Option<u32>,
}

impl Place {
    fn within(self, ty: TypeId, bits_further: u32, bits: Option<u32>) -> Result<Self, BtfError> {
        let bit_offset = self.bit_offset.checked_add(bits_further).ok_or(BtfError::TooBig)?;
        Ok(Self { ty, bit_offset, bits })
    }
}

impl Btf {
    fn extended(mut self, bytes: Vec<u8>) -> Result<Self, BtfError> {
        let mut layer = Layer::scan(bytes, self.type_count(), self.strings_len())?;
        layer.index_names(|offset| self.string(offset).ok())?;
        self.layers.push(Arc::new(layer));
        Ok(self)
    }

    /// Asks each type of that name; several answers must be equal.
    fn agreed<T: PartialEq>(
        &self,
        kinds: &[Kind],
        name: &str,
        ask: impl Fn(TypeId) -> Result<T, BtfError>,
    ) -> Result<T, BtfError> {
        let mut answers = kinds.iter().flat_map(|kind| self.named(*kind, name)).map(ask);
        let first = answers.next().ok_or_else(|| BtfError::NoSuchType(name.to_owned()))?;
        if answers.all(|answer| answer == first) {
            first
        } else {
            Err(BtfError::Ambiguous(name.to_owned()))
        }
    }

    /// The type behind typedefs and qualifiers.
    fn resolved(&self, mut id: TypeId) -> Result<Type<'_>, BtfError> {
        for _ in 0..MAX_DEPTH {
            let ty = self.ty(id)?;
            if !ty.is_alias() {
                return Ok(ty);
            }
            id = ty.target();
        }
        Err(BtfError::TooDeep)
    }

    /// One step of a path: `name`, `name[1]` or `name[1][2]`.
    fn step(&self, place: Place, step: &str, path: &str) -> Result<Place, BtfError> {
        let (name, indexes) = step.split_at(step.find('[').unwrap_or(step.len()));
        let mut place = self.descend(place, name)?.ok_or_else(|| BtfError::NoSuchMember {
            path: path.to_owned(),
            member: name.to_owned(),
        })?;
        for index in indexes.split_inclusive(']') {
            let index =
                index.strip_prefix('[').and_then(|index| index.strip_suffix(']')?.parse().ok());
            let index = index.ok_or_else(|| BtfError::BadPath(path.to_owned()))?;
            place = self
                .element(place, index)?
                .ok_or_else(|| BtfError::NoSuchElement { path: path.to_owned(), index })?;
        }
        Ok(place)
    }

    /// The named member of a struct or of the anonymous structs and unions in it.
    fn descend(&self, outer: Place, name: &str) -> Result<Option<Place>, BtfError> {
        let mut open = vec![outer];
        let mut left = MAX_ANONYMOUS;
        while let Some(place) = open.pop() {
            for member in self.resolved(place.ty)?.members() {
                let inner = place.within(member.ty, member.bit_offset, member.bits)?;
                match self.string(member.name)? {
                    "" => {
                        left = left.checked_sub(1).ok_or(BtfError::TooDeep)?;
                        open.push(inner);
                    }
                    found if found == name => return Ok(Some(inner)),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    fn element(&self, place: Place, index: u32) -> Result<Option<Place>, BtfError> {
        let Some((element, len)) = self.resolved(place.ty)?.array() else {
            return Ok(None);
        };
        if index >= len {
            return Ok(None);
        }
        let bits = self.size_of(element)?.checked_mul(8).and_then(|bits| bits.checked_mul(index));
        place.within(element, bits.ok_or(BtfError::TooBig)?, None).map(Some)
    }

    fn field(&self, place: Place) -> Result<Field, BtfError> {
        let ty = self.resolved(place.ty)?;
        let whole = self.size_of(place.ty)?.checked_mul(8).ok_or(BtfError::TooBig)?;
        let (int_offset, int_bits) = ty.int_bits().unwrap_or((0, whole));
        let place = place.within(place.ty, int_offset, place.bits)?;
        Ok(Field {
            bit_offset: place.bit_offset,
            bit_width: place.bits.unwrap_or(int_bits),
            kind: FieldKind::of(ty.kind())?,
        })
    }

    fn prototype(&self, id: TypeId) -> Result<Prototype, BtfError> {
        let proto = self.resolved(id)?;
        if proto.kind() != Kind::FuncProto {
            return Err(BtfError::NotAFunction);
        }
        let mut params: Vec<_> = proto.params().collect();
        let variadic = params.pop_if(|(name, ty)| *name == 0 && *ty == TypeId::VOID).is_some();
        Ok(Prototype {
            params: params
                .into_iter()
                .map(|(name, ty)| self.param(name, ty))
                .collect::<Result<_, _>>()?,
            ret: self.spelled(proto.target())?,
            variadic,
        })
    }

    fn param(&self, name: u32, ty: TypeId) -> Result<Param, BtfError> {
        Ok(Param { name: self.string(name)?.to_owned(), ty: self.spelled(ty)? })
    }

    /// A type as C spells it, without qualifiers.
    fn spelled(&self, mut id: TypeId) -> Result<String, BtfError> {
        let mut stars = String::new();
        for _ in 0..MAX_DEPTH {
            let ty = self.ty(id)?;
            match ty.kind() {
                Kind::Ptr => stars.push('*'),
                Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {}
                _ => {
                    let gap = if stars.is_empty() { "" } else { " " };
                    return Ok(format!("{}{}{gap}{stars}", ty.keyword(), self.string(ty.name)?));
                }
            }
            id = ty.target();
        }
        Err(BtfError::TooDeep)
    }
}

impl FieldKind {
    fn of(kind: Kind) -> Result<Self, BtfError> {
        match kind {
            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float => Ok(Self::Scalar),
            Kind::Ptr => Ok(Self::Pointer),
            Kind::Array => Ok(Self::Array),
            Kind::Struct | Kind::Union => Ok(Self::Struct),
            _ => Err(BtfError::Sizeless),
        }
    }
}

/// The longest chain of typedefs, qualifiers, pointers and array dimensions that is followed. The
/// kernel's own reader stops at 32 (`MAX_RESOLVE_DEPTH`, kernel/bpf/btf.c).
const MAX_DEPTH: usize = 32;

/// Anonymous members opened in search of one name; the kernel's largest struct has some dozens.
const MAX_ANONYMOUS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::sample::Sample;
    use super::*;

    fn at(btf: &Btf, path: &str) -> Result<(u32, u32), BtfError> {
        btf.member(path).map(|field| (field.bit_offset, field.bit_width))
    }

    /// `struct host { const u64 *p; u32 a, b; struct { volatile tiny_t c[3]; union { u32 d; u8 e; }; }; }`
    fn small() -> Sample {
        let mut sample = Sample::new();
        let (byte, long) = (sample.int("u8", 1), sample.int("u64", 8));
        let int = sample.int("u32", 4);
        let constant = sample.constant(long);
        let pointer = sample.ptr(constant);
        let tiny = sample.typedef("tiny_t", byte);
        let array = sample.array(tiny, 3);
        let array = sample.volatile(array);
        let either = sample.union("", 4, &[("d", int, 0), ("e", byte, 0)]);
        let inner = sample.structure("", 8, &[("c", array, 0), ("", either, 32)]);
        sample.structure(
            "host",
            24,
            &[("p", pointer, 0), ("a", int, 64), ("b", int, 96), ("", inner, 128)],
        );
        sample
    }

    #[test]
    fn a_member_is_found_through_typedefs_qualifiers_and_anonymous_structs() {
        let btf = small().btf();
        assert_eq!(at(&btf, "host.p"), Ok((0, 64)));
        assert_eq!(at(&btf, "host.b"), Ok((96, 32)));
        assert_eq!(at(&btf, "host.c"), Ok((128, 24)));
        assert_eq!(at(&btf, "host.c[2]"), Ok((144, 8)));
        assert_eq!(at(&btf, "host.d"), Ok((160, 32)));
        assert_eq!(at(&btf, "host.e"), Ok((160, 8)));
    }

    #[test]
    fn a_field_says_what_it_is() {
        let btf = small().btf();
        let kinds = ["host.p", "host.a", "host.c", "host.c[0]"]
            .map(|path| btf.member(path).map(|field| field.kind));
        assert_eq!(
            kinds,
            [
                Ok(FieldKind::Pointer),
                Ok(FieldKind::Scalar),
                Ok(FieldKind::Array),
                Ok(FieldKind::Scalar)
            ]
        );
    }

    #[test]
    fn what_is_missing_is_an_error_and_never_offset_zero() {
        let btf = small().btf();
        assert_eq!(at(&btf, "guest.a"), Err(BtfError::NoSuchType("guest".into())));
        let missing = |path: &str, member: &str| {
            Err(BtfError::NoSuchMember { path: path.into(), member: member.into() })
        };
        assert_eq!(at(&btf, "host.z"), missing("host.z", "z"));
        assert_eq!(at(&btf, "host.a.b"), missing("host.a.b", "b"));
        assert_eq!(at(&btf, "host.p.b"), missing("host.p.b", "b"));
        assert_eq!(
            at(&btf, "host.c[3]"),
            Err(BtfError::NoSuchElement { path: "host.c[3]".into(), index: 3 })
        );
        assert_eq!(
            at(&btf, "host.a[0]"),
            Err(BtfError::NoSuchElement { path: "host.a[0]".into(), index: 0 })
        );
    }

    #[test]
    fn a_path_that_is_none_is_refused() {
        let btf = small().btf();
        for path in [
            "",
            "host",
            "host.c[",
            "host.c[]",
            "host.c[x]",
            "host.c[-1]",
            "host.c[1]x",
            "host.c]1[",
        ] {
            assert!(
                matches!(at(&btf, path), Err(BtfError::BadPath(_) | BtfError::NoSuchMember { .. })),
                "{path}"
            );
        }
        for path in ["host.", "host..a", ".a", "."] {
            assert!(at(&btf, path).is_err(), "{path}");
        }
    }

    #[test]
    fn an_element_of_an_array_of_arrays_is_found() {
        let mut sample = Sample::new();
        let int = sample.int("u16", 2);
        let row = sample.array(int, 4);
        let table = sample.array(row, 3);
        sample.structure("grid", 24, &[("cell", table, 0)]);
        let btf = sample.btf();
        assert_eq!(at(&btf, "grid.cell[2][1]"), Ok((2 * 64 + 16, 16)));
        assert_eq!(at(&btf, "grid.cell[2]"), Ok((2 * 64, 64)));
        assert_eq!(at(&btf, "grid.cell"), Ok((0, 192)));
    }

    #[test]
    fn a_bitfield_keeps_its_declared_width_in_both_encodings() {
        let mut sample = Sample::new();
        let int = sample.int("u32", 4);
        let three = sample.int_with_bits("u32", 4, 1, 3);
        sample.packed("new", 4, &[("x", int, 3 << 24 | 9), ("y", int, 0)]);
        sample.structure("old", 4, &[("x", three, 8)]);
        let btf = sample.btf();
        let new = btf.member("new.x").unwrap();
        assert_eq!(
            (new.bit_offset, new.bit_width, new.byte_offset(), new.is_bitfield()),
            (9, 3, 1, true)
        );
        assert_eq!(btf.member("old.x").unwrap(), new);
        assert!(!btf.member("new.y").unwrap().is_bitfield());
    }

    #[test]
    fn a_function_tells_names_and_types_of_its_parameters() {
        let mut sample = Sample::new();
        let int = sample.int("int", 4);
        let sock = sample.structure("sock", 8, &[("state", int, 0)]);
        let sock = sample.constant(sock);
        let sock = sample.ptr(sock);
        let reason = sample.enumeration("sk_rst_reason", false, &[("NO_SOCKET", 5)]);
        let gfp = sample.typedef("gfp_t", int);
        sample.function("send", 0, &[("sk", sock), ("gfp", gfp), ("reason", reason)]);
        sample.function("log", int, &[("sk", sock), ("", 0)]);
        let btf = sample.btf();
        let send = btf.function("send").unwrap();
        assert_eq!(
            send.to_string(),
            "(struct sock *sk, gfp_t gfp, enum sk_rst_reason reason) -> void"
        );
        assert_eq!(send.param_of_type("enum sk_rst_reason"), Some(2));
        assert_eq!((send.param("gfp"), send.param("priority")), (Some(1), None));
        assert_eq!(btf.function("log").unwrap().to_string(), "(struct sock *sk, ...) -> int");
        assert_eq!(btf.function("sock"), Err(BtfError::NoSuchType("sock".into())));
    }

    #[test]
    fn a_tracepoint_is_told_without_its_private_data() {
        let mut sample = Sample::new();
        let sock = sample.structure("sock", 8, &[]);
        let (data, sock) = (sample.ptr(0), sample.ptr(sock));
        let proto = sample.function_type(0, &[("", data), ("", sock)]);
        let proto = sample.ptr(proto);
        sample.typedef("btf_trace_tcp_send_reset", proto);
        sample.typedef("btf_trace_odd", sock);
        let btf = sample.btf();
        assert_eq!(
            btf.tracepoint("tcp_send_reset").unwrap().to_string(),
            "(struct sock *) -> void"
        );
        assert_eq!(btf.tracepoint("odd"), Err(BtfError::NotAFunction));
    }

    #[test]
    fn enum_values_are_signed_only_where_they_say_so() {
        let mut sample = Sample::new();
        sample.enumeration("plain", false, &[("A", 0), ("B", u32::MAX)]);
        sample.enumeration("signed", true, &[("M", u32::MAX)]);
        let (name, big) = (sample.string("wide"), sample.string("W"));
        sample.raw(name, 19 << 24 | 1, 8, &[big, 7, 1]);
        let btf = sample.btf();
        let pair = |name: &str, value| (name.to_owned(), value);
        assert_eq!(btf.enum_values("plain").unwrap(), [pair("A", 0), pair("B", 0xffff_ffff)]);
        assert_eq!(btf.enum_values("signed").unwrap(), [pair("M", -1)]);
        assert_eq!(btf.enum_values("wide").unwrap(), [pair("W", 0x1_0000_0007)]);
    }

    #[test]
    fn namesakes_are_refused_unless_they_agree_on_what_was_asked() {
        let mut sample = Sample::new();
        let int = sample.int("u32", 4);
        let first = sample.structure("node", 8, &[("same", int, 0), ("moved", int, 32)]);
        sample.structure("node", 12, &[("same", int, 0), ("moved", int, 64)]);
        sample.structure("twin", 4, &[("x", int, 0)]);
        sample.structure("twin", 4, &[("x", int, 0)]);
        let btf = sample.btf();
        assert_eq!(at(&btf, "node.same"), Ok((0, 32)));
        assert_eq!(at(&btf, "node.moved"), Err(BtfError::Ambiguous("node".into())));
        assert_eq!(btf.find(Kind::Struct, "node"), Err(BtfError::Ambiguous("node".into())));
        assert_eq!(btf.find(Kind::Struct, "twin").and_then(|id| btf.size_of(id)), Ok(4));
        assert_eq!(btf.size_of(TypeId(first)), Ok(8));
    }

    #[test]
    fn a_module_continues_the_ids_and_strings_of_vmlinux() {
        let base = small().btf();
        let mut module = Sample::split_from(&base);
        let host = base.find(Kind::Struct, "host").unwrap();
        let tuple = module.structure("conn", 32, &[("host", host.0, 64)]);
        module.structure("expect", 40, &[("conn", tuple, 32)]);
        let btf = Btf::parse_split(module.bytes(), &base).unwrap();
        assert_eq!(at(&btf, "expect.conn.host.e"), Ok((32 + 64 + 160, 8)));
        assert_eq!(at(&btf, "host.e"), at(&base, "host.e"));
        assert!(at(&base, "expect.conn").is_err());
        assert!(Btf::parse(module.bytes()).is_err(), "a module alone has no meaning");
    }

    #[test]
    fn a_kind_from_the_future_is_skipped_when_the_blob_tells_its_size() {
        let mut sample = Sample::new();
        let int = sample.int("u32", 4);
        sample.raw(0, 20 << 24 | 2, 0, &[1, 2, 3, 4, 5]);
        sample.structure("after", 4, &[("x", int, 0)]);
        assert_eq!(sample.parse().unwrap_err(), BtfError::UnknownKind(20));
        sample.layout = [[0; 4].repeat(20), vec![4, 8, 0, 0]].concat();
        assert_eq!(at(&sample.btf(), "after.x"), Ok((0, 32)));
    }

    #[test]
    fn what_is_not_btf_of_this_machine_is_named() {
        let with = |index: usize, byte: u8| {
            let mut bytes = small().bytes();
            bytes[index] = byte;
            Btf::parse(bytes).unwrap_err()
        };
        assert_eq!(Btf::parse(vec![]).unwrap_err(), BtfError::NotBtf);
        assert_eq!(Btf::parse(b"\x7fELF".to_vec()).unwrap_err(), BtfError::NotBtf);
        assert_eq!(with(2, 2), BtfError::UnknownVersion(2));
        assert_eq!(with(4, 8), BtfError::Truncated("header"));
        let mut bytes = small().bytes();
        bytes.swap(0, 1);
        assert_eq!(Btf::parse(bytes).unwrap_err(), BtfError::ForeignEndian);
    }

    #[test]
    fn loops_of_types_end_with_an_error() {
        let mut sample = Sample::new();
        sample.typedef("a", 2);
        sample.typedef("b", 1);
        sample.structure("holder", 8, &[("x", 1, 0)]);
        sample.structure("matryoshka", 8, &[("", 4, 0), ("", 4, 8)]);
        sample.array(5, 1);
        sample.structure("rows", 8, &[("x", 5, 0)]);
        sample.ptr(7);
        sample.function("spin", 7, &[("x", 7)]);
        let btf = sample.btf();
        assert_eq!(at(&btf, "holder.x"), Err(BtfError::TooDeep));
        assert_eq!(at(&btf, "holder.x.y"), Err(BtfError::TooDeep));
        assert!(matches!(at(&btf, "matryoshka.x"), Err(BtfError::TooDeep)));
        assert_eq!(at(&btf, "rows.x"), Err(BtfError::TooDeep));
        assert_eq!(btf.function("spin"), Err(BtfError::TooDeep));
        assert_eq!(btf.find(Kind::Typedef, "a"), Ok(TypeId(1)));
    }

    #[test]
    fn absurd_sizes_and_references_are_errors() {
        let mut sample = Sample::new();
        let int = sample.int_with_bits("u64", u32::MAX, 0, 64);
        let array = sample.array(int, u32::MAX);
        sample.structure(
            "s",
            8,
            &[("huge", array, 0), ("far", int, u32::MAX), ("lost", 4_000_000, 0)],
        );
        sample.typedef("lost_t", 4_000_000);
        let btf = sample.btf();
        assert_eq!(at(&btf, "s.huge"), Err(BtfError::TooBig));
        assert_eq!(at(&btf, "s.huge[4294967294]"), Err(BtfError::TooBig));
        assert_eq!(at(&btf, "s.far"), Err(BtfError::TooBig));
        assert_eq!(at(&btf, "s.lost"), Err(BtfError::BadTypeId(4_000_000)));
        sample.raw(0x00ff_ffff, 4 << 24, 8, &[]);
        assert_eq!(sample.parse().unwrap_err(), BtfError::BadString(0x00ff_ffff));
        let mut sample = Sample::new();
        sample.raw(0, 4 << 24 | 0xff_ffff, 8, &[]);
        assert_eq!(sample.parse().unwrap_err(), BtfError::Truncated("types"));
    }

    #[test]
    fn a_blob_cut_anywhere_is_refused() {
        let bytes = small().bytes();
        for len in 0..bytes.len() {
            assert!(Btf::parse(bytes[..len].to_vec()).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn any_word_may_be_wrong_without_harm() {
        let bytes = small().bytes();
        for at in 0..bytes.len() - 3 {
            for word in [0, 1, 11, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
                if let Ok(btf) = Btf::parse(bytes) {
                    let _ = (btf.member("host.c[2]"), btf.member("host.e"), btf.function("host"));
                }
            }
        }
    }
}
