//! How numbers are written without their country code (ITU-T E.164 §6 and §7, RFC 3966 §5.1.4).

use alloc::string::String;
use alloc::vec::Vec;

/// The national forms of telephone numbers on a network; by default there are none, and a number
/// is known by its country code alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// Country code, digits alone: `32`.
    pub country: String,
    /// What is dialled ahead of a country code: `00`.
    pub international: Vec<String>,
    /// What is dialled ahead of a number of this country: `0`; empty where nothing is.
    pub trunk: String,
}

impl Numbering {
    /// The other ways to write an E.164 number here.
    pub(crate) fn forms(&self, digits: &str) -> Vec<String> {
        let abroad = self.international.iter().map(|prefix| [prefix, digits].concat());
        let national = digits.strip_prefix(&*self.country).filter(|_| !self.country.is_empty());
        abroad.chain(national.map(|rest| [&*self.trunk, rest].concat())).collect()
    }

    /// Whether this is our country's code.
    pub(crate) fn is_of(&self, country: &[u8]) -> bool {
        !self.country.is_empty() && country == self.country.as_bytes()
    }

    /// An E.164 number from a local one and the country code that its context names: without the
    /// trunk prefix, which is not part of a number.
    pub(crate) fn within(&self, context: &[u8], digits: &[u8]) -> Vec<u8> {
        let ours = self.is_of(context);
        let trunk = Some(self.trunk.as_bytes()).filter(|trunk| ours && !trunk.is_empty());
        let rest = trunk.and_then(|trunk| digits.strip_prefix(trunk)).unwrap_or(digits);
        [context, rest].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_form_for_each_way_to_dial_it() {
        let belgium = Numbering {
            country: "32".into(),
            international: ["00".into()].into(),
            trunk: "0".into(),
        };
        assert_eq!(belgium.forms("3225550100"), ["003225550100", "025550100"]);
        assert_eq!(belgium.forms("4930123"), ["004930123"]);
        assert!(Numbering::default().forms("3225550100").is_empty());
        // Italian numbers keep their zero, and have no trunk prefix.
        let italy = Numbering { country: "39".into(), ..Numbering::default() };
        assert_eq!(italy.forms("390612345"), ["0612345"]);
    }
}
