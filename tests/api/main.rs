//! The API and the socket, tried from outside: each test starts the real binary on ports of its own, with data of its own.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed, and says where")]
#![expect(clippy::print_stderr, reason = "the server's log belongs to the report of a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests have no program to stop in good order")]

mod accounts;
mod bad_input;
mod certificate_files;
mod config_check;
mod connections;
mod doctor;
mod harness;
mod headers;
mod health;
mod http2;
mod ice;
mod installed;
mod lifecycle;
mod limits;
mod logs;
mod machine;
mod meetings;
mod metrics;
mod openapi;
mod origin;
mod outside;
mod passed_sockets;
mod public_url;
mod raw_h2;
mod reload;
mod seats;
mod self_test;
mod settings;
mod setup_link;
mod shared_port;
mod signaling;
mod status;
mod stopping;
mod supervised;
mod trust;
