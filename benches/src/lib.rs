//! Criterion benches; see the files beside this package's manifest.
