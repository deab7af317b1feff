//! What the program gives up when it starts, whoever started it and however.

use std::io;

/// Sees to it that no file of ours is open to others (F1), that no memory of ours ever lies in a file (F10), and that a root who
/// started the server is one in name only (F5). To be called before there is a second thread.
///
/// True when it was started as root.
///
/// # Errors
/// When the system refuses one of them.
pub fn give_up_what_is_not_needed() -> io::Result<bool> {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    #[cfg(target_os = "linux")]
    {
        leave_no_core()?;
        if rustix::process::geteuid().is_root() {
            give_up_powers()?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keys and passwords lie in memory. Besides, nobody but root can look into this process from now on.
#[cfg(target_os = "linux")]
fn leave_no_core() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// What is left to root is to listen on ports below 1024, and to use root's own files like any owner. It can't be had back.
#[cfg(target_os = "linux")]
fn give_up_powers() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
    set_no_new_privs(true)?;
    // A container may have taken even that one away.
    let kept = capabilities(None)?.permitted & CapabilitySet::NET_BIND_SERVICE;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}
