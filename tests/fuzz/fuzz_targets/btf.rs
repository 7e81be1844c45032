//! Whatever the bytes: does the BTF reader answer, and in time?
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../ask_btf.rs"]
mod ask_btf;

fuzz_target!(|bytes: &[u8]| ask_btf::everything(bytes));
