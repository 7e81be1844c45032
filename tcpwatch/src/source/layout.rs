//! Where do the fields lie that the hooks read, in *this* kernel?

use tcpwatch_common::offsets::{ABSENT, ARGUMENTS, FIELDS, Field, Query, Width};

use crate::btf::{Btf, BtfError, Kind};

/// The answers, in the order of the tables.
#[derive(Clone, Debug)]
pub struct Layout {
    /// `tcpwatch_common::offsets::Offsets`, as an array.
    pub offsets: [u32; FIELDS.len()],
    /// `tcpwatch_common::offsets::Arguments`, as an array.
    pub arguments: [u32; ARGUMENTS.len()],
    /// Fields that ought to be there and are not, or differ from what the hooks load.
    pub problems: Vec<String>,
}

impl Layout {
    pub fn resolve(btf: &Btf) -> Self {
        let mut problems = Vec::new();
        let mut offsets = [ABSENT; FIELDS.len()];
        for (offset, field) in offsets.iter_mut().zip(FIELDS) {
            match locate(btf, field) {
                Ok(found) => *offset = found,
                Err(_) if MAY_BE_MISSING.contains(&field.name) => {}
                Err(problem) => problems.push(format!("{}: {problem}", field.path)),
            }
        }
        let mut arguments = [ABSENT; ARGUMENTS.len()];
        for (argument, (_, query)) in arguments.iter_mut().zip(ARGUMENTS) {
            *argument = answer(btf, query).unwrap_or(ABSENT);
        }
        Self { offsets, arguments, problems }
    }

    /// This kernel has the argument or enumerator of that name in the table.
    pub fn has_argument(&self, name: &str) -> bool {
        let mut named = ARGUMENTS.iter().zip(self.arguments);
        named.any(|((own, _), value)| *own == name && value != ABSENT)
    }
}

/// 6.18 brought the inode number into the sock, 6.14 the time into TIME_WAIT sockets; 5.10 keeps no plain pointer to the
/// cgroup; 6.13 counts the references of files in another way; a kernel may be built without MPTCP, and conntrack without
/// zones.
const MAY_BE_MISSING: [&str; 7] =
    ["inode", "cgroup", "file_count", "file_ref", "is_mptcp", "tw_made_at", "ct_zone"];

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("{found} bits wide, expected {expected}")]
    Width { found: u32, expected: u32 },
}

fn locate(btf: &Btf, field: &Field) -> Result<u32, Problem> {
    let found = btf.member(field.path)?;
    let (expected, offset) = match field.width {
        Width::Bytes(bytes) => (bytes * 8, found.byte_offset()),
        Width::Bit => (1, found.bit_offset),
        Width::Inside => return Ok(found.byte_offset()),
    };
    if found.bit_width == expected && (expected == 1 || !found.is_bitfield()) {
        Ok(offset)
    } else {
        Err(Problem::Width { found: found.bit_width, expected })
    }
}

/// `None` when the kernel has no such function, tracepoint, parameter or enumerator.
fn answer(btf: &Btf, query: &Query) -> Option<u32> {
    let index = match query {
        Query::EnumParameter { function, name } => {
            btf.function(function).ok()?.param_of_type(&format!("enum {name}"))?
        }
        Query::StructParameter { function, name } => {
            btf.function(function).ok()?.param_of_type(&format!("struct {name} *"))?
        }
        Query::TracepointEnumParameter { tracepoint, name } => {
            btf.tracepoint(tracepoint).ok()?.param_of_type(&format!("enum {name}"))?
        }
        Query::FunctionArity { function } => btf.function(function).ok()?.params.len(),
        Query::TracepointArity { tracepoint } => btf.tracepoint(tracepoint).ok()?.params.len(),
        Query::EnumValue { name, value } => {
            let values = btf.enum_values(name).ok()?;
            let (_, number) = values.into_iter().find(|(own, _)| own == value)?;
            return u32::try_from(number).ok();
        }
        Query::StructSize { name } => {
            let ty = btf.named(Kind::Struct, name).next()?;
            return btf.size_of(ty).ok();
        }
    };
    u32::try_from(index).ok()
}
