//! Certificates of an authority, fetched and renewed by the real binary. The authority is Pebble, the one that Let's Encrypt tests
//! clients with; it comes with a name server that leads every name to this machine.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests have no program to stop in good order")]
#![expect(clippy::print_stderr, reason = "why nothing was tested, and what the programs logged, belongs to the report")]

mod authority;
mod changing;
#[expect(dead_code, unused_imports, reason = "the tests of the API use more of it")]
#[path = "../api/harness/mod.rs"]
mod harness;
mod issuing;
mod plain_http;
mod renewing;
mod site;
mod suggesting;
