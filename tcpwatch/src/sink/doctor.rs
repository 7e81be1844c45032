//! What `tcpwatch doctor` found, for people and for programs.

mod json;
mod text;

pub use json::object;
pub use text::text;
