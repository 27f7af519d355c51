//! Calls told as scripts, and what follows from them.

mod calls;
mod limits;
mod script;
mod transport;
