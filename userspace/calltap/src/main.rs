//! The calltap program.
fn main() {}
