//! Accounts and sign-in: `/api/setup`, `/api/auth/*`.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// What an account may do on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum AccountRole {
    /// May run the server.
    Admin,
    /// May create meetings.
    Member,
}

/// `POST /api/setup`: the first account, made with the one-time link that the server printed.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetupRequest {
    /// The secret part of the link.
    pub token: String,
    /// The e-mail address to sign in with.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// 8 to 128 characters.
    pub password: String,
}

/// `POST /api/auth/register`: an account for oneself, where the server allows it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    /// The e-mail address to sign in with.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// 8 to 128 characters.
    pub password: String,
}

/// `POST /api/auth/login`, alias `POST /auth/login`.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// The e-mail address of the account.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id; `hostId` of the meetings it creates.
    #[schema(value_type = String)]
    pub id: UserId,
    /// The e-mail address it signs in with.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// What it may do.
    pub role: AccountRole,
}

/// The answer to setup, register, login and refresh. A refresh token comes with it as a cookie that scripts can't read.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// Always true.
    pub success: bool,
    /// A JWT for `Authorization: Bearer`. Keep it in memory only.
    pub access_token: String,
    /// How long the access token is good for, in seconds.
    pub expires_in_seconds: u32,
    /// Who signed in.
    pub user: Account,
}
