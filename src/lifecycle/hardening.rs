//! What the program gives up when it starts, whoever started it and however. All of it before there is a second thread.

use std::io;

/// Sees to it that no file of ours is open to others (F1), and that no memory of ours ever lies in a file (F10): there are keys and
/// passwords in it. Besides, nobody but root can look into this process from now on.
///
/// # Errors
/// When the system refuses.
pub fn keep_to_ourselves() -> io::Result<()> {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

/// Sees to it that a root who started the server is one in name only (F5): what is left is to listen on ports below 1024, and to use
/// root's own files like any owner. It can't be had back.
///
/// True when it was started as root.
///
/// # Errors
/// When the system refuses.
pub fn give_up_powers_of_root() -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    if rustix::process::geteuid().is_root() {
        use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
        set_no_new_privs(true)?;
        // A container may have taken even that one away.
        let kept = capabilities(None)?.permitted & CapabilitySet::NET_BIND_SERVICE;
        set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
        return Ok(true);
    }
    Ok(false)
}
