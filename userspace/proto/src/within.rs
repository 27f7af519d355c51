//! Where a part of some bytes stands in them.

/// The offset of `part` in `whole`, if it is a part of the same memory.
pub(crate) fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (offset + part.len() <= whole.len()).then_some(offset)
}
