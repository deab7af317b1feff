//! The composition root.

use crate::config::Config;

/// The data directory can't be used as it is: the program ends with status 74, and a restore is due.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the data directory is damaged")]
pub struct DamagedData;

/// Runs the server until it is told to stop. Blocks.
///
/// # Errors
///
/// Whatever keeps the server from starting; with [`DamagedData`] as context when the data are at fault.
pub fn serve(config: Config) -> anyhow::Result<()> {
    anyhow::bail!("the server is not part of this branch; the configuration is good: {config:?}")
}
