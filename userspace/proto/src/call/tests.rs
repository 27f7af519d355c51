//! Calls told as scripts, and what follows from them.

mod calls;
mod dialogs;
mod disorder;
mod early;
mod exclusions;
mod fragments;
mod joins;
mod limits;
mod resumed;
mod script;
mod sides;
mod strangers;
mod transport;
