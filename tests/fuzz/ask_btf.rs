//! Every question to one blob, shared by the fuzz target and the replay of its corpus.

use tcpwatch::btf::{Btf, BtfError, Kind, TypeId};

/// Takes the bytes as a kernel, and as the module of a kernel that is the first half of them.
pub(crate) fn everything(bytes: &[u8]) {
    if let Ok(btf) = Btf::parse(bytes.to_vec()) {
        ask(&btf);
        if let Ok(split) = Btf::parse_split(bytes.to_vec(), &btf) {
            ask(&split);
        }
    }
}

fn ask(btf: &Btf) {
    for id in (0..btf.type_count()).take(64).map(TypeId) {
        let _ = btf.size_of(id);
        if let Ok(name) = btf.ty(id).and_then(|ty| btf.string(ty.name)) {
            let _ = ask_about(btf, id, name);
        }
    }
}

fn ask_about(btf: &Btf, id: TypeId, name: &str) -> Result<(), BtfError> {
    let _ = (btf.find(Kind::Struct, name), btf.find(Kind::Typedef, name));
    let _ = btf.function(name).map(|prototype| prototype.to_string());
    let _ = btf.tracepoint(name.strip_prefix("btf_trace_").unwrap_or(name));
    let _ = btf.enum_values(name);
    let _ = btf.member(&format!("{name}.no_such_member"));
    for member in btf.ty(id)?.members().take(64) {
        let member = btf.string(member.name)?;
        let _ = btf.member(&format!("{name}.{member}"));
        let _ = btf.member(&format!("{name}.{member}[1]"));
        let _ = btf.member(&format!("{name}.{member}.{member}"));
    }
    Ok(())
}
