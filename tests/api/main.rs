//! The API and the socket, tried from outside: each test starts the real binary on ports of its own, with data of its own.

mod accounts;
mod bad_input;
mod harness;
mod headers;
mod lifecycle;
mod meetings;
mod origin;
mod signaling;
