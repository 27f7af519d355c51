//! Evidence from the warrant to verification, on real files and against the real programs.

mod acts;
mod crash;
mod disk;
mod fixture;
mod manifest;
mod manual;
mod minisign;
mod tamper;
mod volumes;
mod warrants;
