//! Calls by number.
//!
//! Their numbers are given one after the other, so a call is found by where it stands: media is of
//! calls at random, and a hash would send each packet to one more place that is in no cache.

use hashbrown::HashMap;

/// Calls in a row that stand together.
const PAGE: u32 = 64;

/// Something of each call of one warrant.
#[derive(Debug)]
pub struct Calls<T> {
    pages: HashMap<u32, Page<T>>,
    count: usize,
}

#[derive(Debug)]
struct Page<T> {
    calls: Box<[Option<T>]>,
    count: u32,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Self { pages: HashMap::new(), count: 0 }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { calls: (0..PAGE).map(|_| None).collect(), count: 0 }
    }
}

/// The page of a call, and its place there.
fn place(cin: u32) -> (u32, usize) {
    (cin / PAGE, usize::try_from(cin % PAGE).unwrap_or_default())
}

impl<T> Calls<T> {
    /// That of the call of this number.
    #[inline]
    pub fn get(&self, cin: u32) -> Option<&T> {
        let (page, place) = place(cin);
        self.pages.get(&page)?.calls.get(place)?.as_ref()
    }

    /// The same, to be changed in place.
    #[inline]
    pub fn get_mut(&mut self, cin: u32) -> Option<&mut T> {
        let (page, place) = place(cin);
        self.pages.get_mut(&page)?.calls.get_mut(place)?.as_mut()
    }

    /// Puts it there; gives what was there before.
    pub fn insert(&mut self, cin: u32, it: T) -> Option<T> {
        let (page, place) = place(cin);
        let page = self.pages.entry(page).or_default();
        let before = page.calls.get_mut(place)?.replace(it);
        page.count += u32::from(before.is_none());
        self.count += usize::from(before.is_none());
        before
    }

    /// The same, made where it is not there: so there always is one.
    #[inline]
    pub fn get_or_default(&mut self, cin: u32) -> Option<&mut T>
    where
        T: Default,
    {
        let (page, place) = place(cin);
        let page = self.pages.entry(page).or_default();
        let it = page.calls.get_mut(place)?;
        self.count += usize::from(it.is_none());
        page.count += u32::from(it.is_none());
        Some(it.get_or_insert_default())
    }

    /// Takes it away.
    pub fn remove(&mut self, cin: u32) -> Option<T> {
        let (number, place) = place(cin);
        let page = self.pages.get_mut(&number)?;
        let it = page.calls.get_mut(place)?.take()?;
        self.count -= 1;
        page.count -= 1;
        if page.count == 0 {
            self.pages.remove(&number);
        }
        Some(it)
    }

    /// Each call's number and what there is of it, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.pages.iter().flat_map(|(page, Page { calls, .. })| {
            let placed = calls.iter().zip(0..PAGE);
            placed.filter_map(move |(it, place)| Some((page * PAGE + place, it.as_ref()?)))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_number_until_they_end_and_leave_no_page_behind() {
        let mut calls = Calls::default();
        let numbers = [1, 63, 64, 65, 200, u32::MAX];
        for cin in numbers {
            assert_eq!(calls.insert(cin, cin), None);
        }
        assert_eq!(calls.insert(64, 0), Some(64));
        assert_eq!(calls.insert(64, 64), Some(0));
        let mut all: Vec<_> = calls.iter().map(|(cin, it)| (cin, *it)).collect();
        all.sort_unstable();
        assert_eq!(all, numbers.map(|cin| (cin, cin)));
        *calls.get_mut(200).unwrap() += 1;
        assert_eq!(calls.get_or_default(7), Some(&mut 0));
        assert_eq!((calls.remove(7), calls.get_or_default(200)), (Some(0), Some(&mut 201)));
        assert_eq!((calls.get(200), calls.get(2), calls.get(9999)), (Some(&201), None, None));
        for (left, cin) in (0..numbers.len()).rev().zip(numbers) {
            assert!(calls.remove(cin).is_some() && calls.remove(cin).is_none());
            assert_eq!((calls.len(), calls.is_empty()), (left, left == 0));
        }
        assert!(calls.pages.is_empty());
    }
}
