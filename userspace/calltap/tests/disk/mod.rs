//! A disk of a test's own: an ext4 in a file.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::desk::{Desk, words};

/// A file system, mounted where the evidence goes, which can be stalled.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// One of so many MiB, where the desk's evidence goes.
    pub(crate) fn mount(desk: &Desk, mib: u64) -> Self {
        let (image, at) = (desk.path("disk.ext4"), desk.path("evidence"));
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        fs::create_dir(&at).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        fs::remove_dir(at.join("lost+found")).unwrap();
        Self(at)
    }

    pub(crate) fn stall(&self) {
        run(Command::new("fsfreeze").arg("-f").arg(&self.0));
    }

    pub(crate) fn go_on(&self) {
        run(Command::new("fsfreeze").arg("-u").arg(&self.0));
    }
}

impl Drop for Disk {
    /// A test that failed may have left it stalled, and whoever writes there with it.
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0).output();
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", words(&output));
}
