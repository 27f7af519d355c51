//! Why the program runs otherwise than was asked for, where the kernel or a driver refused that.

use super::Filter;
use crate::{Error, Interface};

impl Filter {
    /// Why only frames in one buffer are taken though [`multi_buffer`](crate::LoadOptions) was asked
    /// for; `None` where the kernel loaded what was asked for.
    #[must_use]
    pub const fn one_buffer_because(&self) -> Option<&Error> {
        self.one_buffer_because.as_ref()
    }

    /// Why the program is attached to an interface in generic mode, as the driver refused native
    /// mode; `None` where it is in native mode, or generic mode was asked for.
    #[must_use]
    pub fn generic_because(&self, interface: &Interface) -> Option<&str> {
        let mut attached = self.attached.iter();
        let attached = attached.find(|it| it.interface.index() == interface.index())?;
        attached.native_refused.as_deref()
    }
}
