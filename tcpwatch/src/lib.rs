//! tcpwatch.
pub mod btf;
