//! The fuzzer's bytes taken as numbers and strings; an empty input gives zeros.

/// What is left of the input.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.number() % end.max(1)
    }

    /// At most `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many bytes as the next two say, or what is left.
    pub(super) fn string(&mut self) -> &'a [u8] {
        let length = self.number() % 2048;
        self.take(length)
    }
}
