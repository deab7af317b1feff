//! The relay from outside: the real binary on loopback, with hand-made packets and with the `turn` crate's client.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::print_stderr, reason = "the server's log belongs to the report of a failed test")]
#![expect(clippy::print_stdout, reason = "floods tell what they measured")]
#![expect(clippy::disallowed_methods, reason = "tests have no program to stop in good order")]

mod admission;
mod bursts;
mod client;
mod floods;
#[expect(dead_code, unused_imports, reason = "the tests of the API use more of it")]
#[path = "../api/harness/mod.rs"]
mod harness;
mod meeting;
mod peers;
mod relaying;
mod shares;
mod site;
mod streams;
mod surroundings;
mod surroundings_ipv6;
mod tls;
mod tools;
mod ways;
