//! What `tcpwatch doctor` found, for people and for programs.

mod json;
mod text;

pub use json::write as doctor_json;
pub use text::write as doctor_text;
