//! Evidence from the warrant to verification, on real files and against the real programs.

mod acts;
mod crash;
mod destroy;
mod disk;
mod fixture;
mod manifest;
mod minisign;
mod script;
mod sealed;
mod tamper;
mod volumes;
mod warrants;
