//! A change in the execution of warrants, as the evidence takes it in.

use calltap_evidence::store;
use calltap_evidence::warrant::{Code, Refusal, Warrant};
use tracing::error;

use super::Recorder;
use crate::docket::Change;
use crate::follow::Order;
use crate::paper::log_refusal;
use crate::recording;

impl Recorder {
    /// Takes in a change; gives the order that is to be executed from it, if there is one.
    pub fn change(&mut self, change: Change) -> Option<Order> {
        let done = match change {
            Change::Execute { warrant, id, trust } => {
                match recording::admit(&mut self.store, &warrant, id, &trust) {
                    Ok(Ok(order)) => {
                        self.halted.remove(&id);
                        self.warrants.insert(order.liid.clone(), id);
                        return Some(order);
                    }
                    Ok(Err(refusal)) => {
                        log_refusal(&refusal);
                        Ok(())
                    }
                    Err(cause) => Err(cause),
                }
            }
            Change::Begun(warrant) => self.store.activated(&warrant),
            Change::Expired(warrant) => self.store.expired(&warrant),
            Change::Halt { warrant, id, refusal, at_ns } => {
                self.halted.insert(id, at_ns);
                self.halt(&warrant, refusal.as_deref())
            }
            Change::Refused(refusal) => self.store.refused(&refusal),
        };
        if let Err(cause) = done {
            error!("{cause}");
        }
        None
    }

    /// Writes why a warrant is executed no longer.
    fn halt(&mut self, warrant: &Warrant, refusal: Option<&Refusal>) -> Result<(), store::Error> {
        if let Some(refusal) = refusal {
            self.store.refused(refusal)?;
        }
        match refusal.map(Refusal::code) {
            // What the authority or an operator did stands there already.
            Some(Code::Revoked | Code::Suspended) => Ok(()),
            code => self.store.withdrawn(warrant, code),
        }
    }
}
