//! tcpwatch.
