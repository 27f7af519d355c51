//! libFuzzer drives [`harness::msrp`].
#![no_main]

#[allow(dead_code, reason = "each target uses one of the functions")]
#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::msrp(data));
