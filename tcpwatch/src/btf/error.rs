//! What can be wrong with BTF, or with a question to it?

/// Why there is no answer. The first group spoils the blob, the second one question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error("not BTF: the magic number 0xeb9f is missing")]
    NotBtf,
    #[error("BTF of a machine with the other byte order")]
    ForeignEndian,
    #[error("BTF version {0} is unknown; version 1 is")]
    UnknownVersion(u8),
    #[error("BTF ends within its {0}")]
    Truncated(&'static str),
    #[error("BTF has kind {0}, which is newer than this tcpwatch, and does not tell its size")]
    UnknownKind(u8),
    #[error("BTF refers to a string at {0}, where none is")]
    BadString(u32),
    #[error("BTF refers to type {0}, which does not exist")]
    BadTypeId(u32),
    #[error("BTF describes something larger than a kernel can hold")]
    TooBig,
    #[error("BTF nests types without end")]
    TooDeep,

    #[error("this kernel has no type or function `{0}`")]
    NoSuchType(String),
    #[error("this kernel has several `{0}`, and they differ in what was asked")]
    Ambiguous(String),
    #[error("`{path}`: this kernel has no member `{member}` there")]
    NoSuchMember { path: String, member: String },
    #[error("`{path}`: this kernel has no element {index} there")]
    NoSuchElement { path: String, index: u32 },
    #[error("`{0}` is no path to a field, such as `sock.__sk_common.skc_state`")]
    BadPath(String),
    #[error("a type without a size was asked for it")]
    Sizeless,
    #[error("not a function")]
    NotAFunction,
}
