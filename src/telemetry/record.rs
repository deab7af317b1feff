//! An event, taken apart: what every way of writing it starts from.

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::clock::Timestamp;

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    /// Which part of the program says so.
    pub(super) target: String,
    pub(super) message: String,
    /// In the order in which they were given.
    pub(super) fields: Vec<(String, Value)>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A number or truth value, as it is written.
    Plain(String),
    Text(String),
}

impl Value {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Text(text) => text,
        }
    }
}

impl Record {
    pub(super) fn of(event: &Event<'_>, at: Timestamp) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            at,
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        record
    }

    fn add(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => value.text().clone_into(&mut self.message),
            // Events of the `log` crate come with their place in the source; the target says enough.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, Value::Text(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        // JSON has no word for these.
        self.add(field, if value.is_finite() { Value::Plain(text) } else { Value::Text(text) });
    }
}
