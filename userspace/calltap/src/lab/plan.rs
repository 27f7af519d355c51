//! Which calls a lab places, and who calls whom.

/// How SIP is carried between the two sides (RFC 3261 §18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// UDP, all calls between the same two ports.
    #[default]
    Udp,
    /// TCP, a connection for each call.
    Tcp,
    /// TCP, one connection for all calls, as between two servers.
    TcpTrunk,
}

/// The calls to place, all of them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlan {
    /// Calls from the target and, every second one, to the target.
    pub target_calls: u32,
    /// Calls among others, some of whom have names close to the target's.
    pub stranger_calls: u32,
    /// The target's address-of-record, with `sip:` in front.
    pub target: String,
    /// How long each side talks, in seconds.
    pub seconds: u32,
    /// How many calls begin in a second.
    pub calls_per_second: u32,
    /// What carries the signalling.
    pub transport: Transport,
}

impl Default for CallPlan {
    fn default() -> Self {
        Self {
            target_calls: 5,
            stranger_calls: 15,
            target: "sip:alice@example.net".to_owned(),
            seconds: 4,
            calls_per_second: 20,
            transport: Transport::Udp,
        }
    }
}

impl CallPlan {
    /// How many calls there are in all.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.target_calls.saturating_add(self.stranger_calls)
    }

    /// The calls in the order in which they are placed, the target's spread among the strangers',
    /// as sipp's injection file: caller's name-addr, callee's name-addr, Request-URI.
    pub(super) fn injection_file(&self) -> String {
        let mut file = "SEQUENTIAL\n".to_owned();
        let calls = u64::from(self.calls());
        let target_calls = u64::from(self.target_calls);
        for number in 0..calls {
            let (before, after) =
                (number * target_calls / calls, (number + 1) * target_calls / calls);
            let (caller, callee) = if after > before {
                self.target_call(before)
            } else {
                self.stranger_call(number - before)
            };
            file += &format!("{caller};<{callee}>;{callee};\n");
        }
        file
    }

    fn target_call(&self, number: u64) -> (String, String) {
        let friend = format!("sip:friend{number}@example.net");
        if number.is_multiple_of(2) {
            (format!("<{}>", self.target), friend)
        } else {
            (format!("<{friend}>"), self.target.clone())
        }
    }

    /// The first strangers are the ones whom a careless match takes for the target.
    fn stranger_call(&self, number: u64) -> (String, String) {
        let address = self.target.strip_prefix("sip:").unwrap_or(&self.target);
        let user = address.split('@').next().unwrap_or(address);
        let caller = match number {
            0 => format!("\"{user}\" <sip:stranger0@example.net>"),
            1 => format!("<sip:{user}.stranger@example.net>"),
            2 => format!("<sip:stranger.{address}>"),
            _ => format!("<sip:stranger{number}@example.net>"),
        };
        (caller, format!("sip:neighbour{number}@example.net"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_calls_are_spread_among_the_strangers() {
        let file = CallPlan::default().injection_file();
        let is_target: Vec<bool> =
            file.lines().skip(1).map(|line| line.contains("sip:alice@example.net>")).collect();
        assert_eq!(is_target.len(), 20);
        assert_eq!(is_target.iter().filter(|&&target| target).count(), 5);
        assert!(is_target.windows(2).all(|pair| pair != [true, true]));
    }

    #[test]
    fn the_target_is_called_as_well_as_calling() {
        let plan = CallPlan { target_calls: 2, stranger_calls: 0, ..CallPlan::default() };
        assert_eq!(
            plan.injection_file(),
            "SEQUENTIAL\n\
             <sip:alice@example.net>;<sip:friend0@example.net>;sip:friend0@example.net;\n\
             <sip:friend1@example.net>;<sip:alice@example.net>;sip:alice@example.net;\n"
        );
    }

    #[test]
    fn a_plan_without_calls_places_none() {
        let plan = CallPlan { target_calls: 0, stranger_calls: 0, ..CallPlan::default() };
        assert_eq!(plan.injection_file(), "SEQUENTIAL\n");
    }
}
