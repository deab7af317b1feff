//! What the system says about another process, the time it has had on a processor and its memory, and about the whole machine.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Nanoseconds that all threads of a process have run, in the program and in the kernel on its behalf.
///
/// The scheduler's figure: `/proc/<pid>/stat` counts in hundredths of a second.
pub fn cpu_nanos(pid: u32) -> Result<u64> {
    schedstat(pid, 0)
}

/// Nanoseconds that all threads of a process could have run but had no processor.
pub fn starved_nanos(pid: u32) -> Result<u64> {
    schedstat(pid, 1)
}

fn schedstat(pid: u32, column: usize) -> Result<u64> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the server has stopped")? {
        let path = thread?.path().join("schedstat");
        // A thread may end between the two looks.
        let Ok(line) = fs::read_to_string(path) else { continue };
        nanos +=
            line.split(' ').nth(column).and_then(|word| word.parse::<u64>().ok()).context("the system keeps no schedstat")?;
    }
    Ok(nanos)
}

/// The memory of a process that is in use and its own, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let status = fs::read_to_string(path).context("the server has stopped")?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).and_then(|rest| rest.split_whitespace().next());
    Ok(kilobytes.and_then(|word| word.parse::<u64>().ok()).context("the system does not tell RssAnon")? * 1024)
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the server has stopped")?.count())
}

/// How many datagrams did not fit into each of the UDP sockets that a process has open, by the socket's inode.
pub fn overflows(pid: u32) -> Result<Vec<(u64, u64)>> {
    let mut own = HashSet::new();
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).context("the server has stopped")? {
        // It may be closed between the two looks.
        let Ok(target) = fs::read_link(descriptor?.path()) else { continue };
        let inode = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
        own.extend(inode);
    }
    let sockets = fs::read_to_string("/proc/net/udp").context("the system does not list its sockets")?;
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some((words.get(9)?.parse().ok()?, words.get(12)?.parse().ok()?))
    };
    Ok(sockets.lines().filter_map(socket).filter(|(inode, _)| own.contains(inode)).collect())
}

/// How many threads wanted a processor on average in the last minute.
pub fn load_average() -> Result<f64> {
    let line = fs::read_to_string("/proc/loadavg").context("the system does not tell its load")?;
    line.split(' ').next().and_then(|word| word.parse().ok()).context("the system tells its load in words of its own")
}
