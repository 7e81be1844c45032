//! Whatever the bytes: is a recording read to its end, told, and judged, within bounds?
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[path = "../ask_recording.rs"]
mod ask_recording;
#[path = "../change_lines.rs"]
mod change_lines;

fuzz_target!(|bytes: &[u8]| ask_recording::everything(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = change_lines::change(&data[..size], seed);
    match changed.filter(|changed| seed % 4 > 0 && changed.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
