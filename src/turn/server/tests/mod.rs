//! The relay as a table on virtual time: given this input, exactly these outputs.

mod admission;
mod allocating;
mod ending;
mod permitting;
mod properties;
mod relaying;
mod routing;
mod scenario;
mod vectors;
