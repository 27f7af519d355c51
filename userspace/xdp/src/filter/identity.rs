//! Which program runs and how it is set, for those who write it down.

use std::sync::atomic::Ordering;

use calltap_ebpf::abi::{Mode, port_bit};

use super::{Filter, attach};
use crate::Error;

/// The loaded program and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The kernel's tag of the program: a hash of its instructions, the first byte the highest.
    pub tag: u64,
    /// The object from which it was loaded.
    pub object: &'static [u8],
    /// What the maps hold that no call and no warrant changes, read back from the kernel: one
    /// `name: value` a line.
    pub settings: String,
}

impl Filter {
    /// Says what runs in the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] if the kernel does not tell about the program.
    pub fn identity(&self) -> Result<Identity, Error> {
        let tag = attach::tag(&self.program)?;
        let word = |words: &super::Words, at| {
            words.word(at).map_or(0, |word| word.load(Ordering::Acquire))
        };
        let config = [0, 1, 2].map(|at| word(&self.config_words, at));
        let config: calltap_ebpf::abi::Config = zerocopy::transmute!(config);
        let mode = if config.mode == Mode::Mirror as u32 { "mirror" } else { "host" };
        let ports = (0..=u16::MAX).filter(|&port| {
            let (at, bit) = port_bit(port);
            word(&self.port_words, at as usize) & bit != 0
        });
        let ports: Vec<_> = ports.map(|port| port.to_string()).collect();
        let settings = format!(
            "mode: {mode}\nsignalling ports: {}\nendpoints: {}\nprefilter mask: {:#x}\n",
            ports.join(" "),
            self.max_endpoints,
            config.prefilter_mask,
        );
        Ok(Identity { tag, object: self.object, settings })
    }
}
