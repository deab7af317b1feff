//! What somebody needs to know to trust this server on a device.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Who vouches for the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum Voucher {
    /// An authority that devices trust already.
    Public,
    /// Whoever the administrator chose.
    Administrator,
    /// The server's own authority, which each device has to be told to trust.
    Server,
}

/// The server's own authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TrustAuthority {
    /// What it is called in a device's list.
    pub name: String,
    /// The SHA-256 hash of its certificate: `AB:CD:…`, 32 pairs.
    pub fingerprint: String,
    /// The last moment at which it is good.
    #[schema(value_type = String)]
    pub ends_at: Timestamp,
}

/// `GET /api/trust`: what the page needs that shows people how to trust this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TrustInfo {
    /// Who vouches for the certificate at present.
    pub voucher: Voucher,
    /// The authority to trust; null when no device has to be told anything.
    pub authority: Option<TrustAuthority>,
    /// Whether something is wrong with the certificate that the administrator can mend, so that waiting may be better.
    pub temporary: bool,
    /// The address of that page under one of the server's own names, for other devices.
    pub address: String,
}
