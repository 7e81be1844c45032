//! What the kernel half and the user half of tcpwatch agree on: wire records and field offsets.
#![no_std]
