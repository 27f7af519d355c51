//! The XDP program; on the host, a stub.
fn main() {}
