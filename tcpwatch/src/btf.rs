//! Kernel type information (BTF): bytes to struct layouts.
