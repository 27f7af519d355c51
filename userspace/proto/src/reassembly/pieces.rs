//! Bytes at places, in any order: the first to arrive at a place stays.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Parts of a text that do not overlap, by the place of their first byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    parts: BTreeMap<u64, Box<[u8]>>,
    conflict: bool,
}

impl Pieces {
    /// Adds what of `bytes` is new; says how many bytes that were.
    pub(crate) fn insert(&mut self, at: u64, bytes: &[u8]) -> usize {
        let mut added = 0;
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let taken = match self.covering(at) {
                Some(there) => {
                    let both = there.len().min(rest.len());
                    let differs = there.get(..both) != rest.get(..both);
                    self.conflict |= differs;
                    both
                }
                None => {
                    let free = match self.parts.range(at..).next() {
                        Some((&next, _)) => usize::try_from(next - at).unwrap_or(usize::MAX),
                        None => usize::MAX,
                    };
                    let new = rest.get(..free).unwrap_or(rest);
                    self.parts.insert(at, new.into());
                    added += new.len();
                    new.len()
                }
            };
            at += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
        }
        added
    }

    /// What is there from `at` on, up to the end of the part that holds it.
    fn covering(&self, at: u64) -> Option<&[u8]> {
        let (&start, part) = self.parts.range(..=at).next_back()?;
        let skip = usize::try_from(at - start).ok()?;
        part.get(skip..).filter(|rest| !rest.is_empty())
    }

    /// Takes the part that begins at `at`.
    pub(crate) fn take(&mut self, at: u64) -> Option<Box<[u8]>> {
        self.parts.remove(&at)
    }

    /// The place of the first byte there is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.parts.keys().next().copied()
    }

    /// The bytes from 0 to `length`, if all are there.
    pub(crate) fn whole(&self, length: usize) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(length);
        for (&at, part) in &self.parts {
            if text.len() >= length {
                break;
            }
            if at != text.len() as u64 {
                return None;
            }
            text.extend_from_slice(part);
        }
        text.truncate(length);
        (text.len() == length).then_some(text)
    }

    /// The bytes from 0 up to the first that is missing.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (&at, part) in &self.parts {
            if at != text.len() as u64 {
                break;
            }
            text.extend_from_slice(part);
        }
        text
    }

    /// Whether different bytes came for one place.
    pub(crate) fn conflict(&self) -> bool {
        self.conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn the_first_bytes_at_a_place_stay_and_others_are_a_conflict() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.insert(2, b"cd"), 2);
        assert_eq!(pieces.insert(0, b"abcdef"), 4);
        assert_eq!(pieces.whole(6).as_deref(), Some(&b"abcdef"[..]));
        assert!(!pieces.conflict());
        assert_eq!(pieces.insert(1, b"bXd"), 0);
        assert!(pieces.conflict());
        assert_eq!(pieces.whole(6).as_deref(), Some(&b"abcdef"[..]));
        assert_eq!(pieces.whole(7), None);
        assert_eq!((pieces.first(), pieces.take(0).as_deref()), (Some(0), Some(&b"ab"[..])));
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_gives_the_same_text(
            cuts in proptest::collection::vec((0usize..64, 1usize..20), 1..60)
        ) {
            let text: Vec<u8> = (0..64).collect();
            let mut pieces = Pieces::default();
            let (mut seen, mut added) = (vec![false; 64], 0);
            for (start, length) in cuts {
                let end = (start + length).min(64);
                added += pieces.insert(start as u64, &text[start..end]);
                seen[start..end].fill(true);
            }
            prop_assert_eq!(added, seen.iter().filter(|&&s| s).count());
            prop_assert!(!pieces.conflict());
            prop_assert_eq!(pieces.whole(64).is_some(), seen.iter().all(|&s| s));
            if let Some(whole) = pieces.whole(64) {
                prop_assert_eq!(whole, text);
            }
        }
    }
}
