//! What the benches share: frames and calls made up for them, and a warrant to keep some of them.

pub mod call;
pub mod capture;
pub mod desk;
pub mod frame;
pub mod instructions;
mod namespace;
pub mod talk;

use std::time::Duration;

use criterion::Criterion;
pub use namespace::in_namespace;

/// How every bench measures, unless its command line says otherwise: briefly, so that the whole
/// suite takes minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
}

/// Whether this run measures (`cargo bench`), rather than tries each bench once (`cargo test`,
/// `cargo bench -- --test`): inputs may then be large.
pub fn measuring() -> bool {
    let said = |word| std::env::args().any(|argument| argument == word);
    said("--bench") && !said("--test")
}

/// Numbers without a pattern, the same in every run (SplitMix64).
#[derive(Clone, Debug, Default)]
pub struct Random(u64);

impl Random {
    /// The next number below `bound`, which is one of its type.
    pub fn below<T: TryFrom<u64, Error: std::fmt::Debug>>(&mut self, bound: u64) -> T {
        T::try_from(self.number() % bound).expect("a number below a number of its type")
    }

    /// Puts a list out of order, so that walking it walks memory at random.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            list.swap(place, self.below(place as u64 + 1));
        }
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
