//! `[metrics]`

use std::path::PathBuf;

use super::declare::section;

section! {
    /// The figures at /metrics, for Prometheus. Programs on this machine may always read them.
    Metrics, "metrics" {
        /// The file with the token that lets programs on other machines read them too: at least 32 letters, digits and signs, for
        /// this user alone to read. Sent as "Authorization: Bearer ...". Without a file, nobody outside of this machine may.
        token_file: Option<PathBuf> = None, for example "/etc/hearth/metrics-token" => Live;
    }
}
