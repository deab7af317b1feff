//! Hearth: a meeting place of your own in one binary.

pub mod authority;
pub mod clock;
pub mod ids;
pub mod interfaces;

pub mod lifecycle;
pub mod private_files;
pub mod telemetry;

pub mod meeting;
pub mod wire;

pub mod config;
pub mod control;
pub mod store;
pub mod tls;
pub mod turn;

pub mod auth;
pub mod backup;
pub mod doctor;
pub mod hub;
pub mod signaling;

pub mod app;
pub mod http;

pub mod cli;
