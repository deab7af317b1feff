//! The settings that administrators may change in the browser: `/api/admin/settings`.

use serde::{Deserialize, Serialize};

/// Who says what a setting is. Later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub enum SettingOrigin {
    /// Nobody.
    Default,
    /// An administrator, in the browser.
    Browser,
    /// The configuration file, which the browser can't change.
    File,
    /// The environment of the server, which the browser can't change.
    Environment,
    /// The command line of the server, which the browser can't change.
    Flag,
}

/// What a setting says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(untagged)]
pub enum SettingValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u32),
    /// Text, or one of a few words.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// STUN and TURN servers of others.
    Servers(Vec<OtherIceServer>),
}

/// A STUN or TURN server of others. What is secret is never told: `(hidden)` stands in its place, and sent back with the same `urls`
/// it means what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherIceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// The name by which everybody uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// What belongs to the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub password: Option<String>,
    /// The file that holds it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub password_file: Option<String>,
    /// The secret from which each participant gets a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub secret: Option<String>,
    /// The file that holds it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub secret_file: Option<String>,
    /// How long such a name is good, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ttl_seconds: Option<u32>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SettingInfo {
    /// Its name in the configuration file: `section.key`.
    pub key: String,
    /// What it is; absent when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub value: Option<SettingValue>,
    /// What it is when nobody says anything; absent when it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub default: Option<SettingValue>,
    /// Who says so. What the file, the environment or the command line says can't be changed in the browser.
    pub origin: SettingOrigin,
    /// Whether a change holds at once. Otherwise it holds from the next start of the server on.
    pub live: bool,
    /// What it is for, as the configuration file tells it.
    pub doc: String,
}

/// `GET /api/admin/settings`, and the answer to a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SettingsReply {
    /// Those that may be changed in the browser.
    pub settings: Vec<SettingInfo>,
    /// The names of all settings, wherever they were changed, of which something holds only from the next start of the server on.
    pub waiting: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingChange {
    /// The name of the setting: `section.key`.
    pub key: String,
    /// What it is to be; null takes back what was set in the browser.
    pub value: Option<SettingValue>,
}

/// `PUT /api/admin/settings`: all of the changes, or none when one of them is not good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSettingsRequest {
    /// The changes.
    pub changes: Vec<SettingChange>,
}

/// `POST /api/admin/relay-test`: what the relay found when it sent a packet through itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RelayTestReply {
    /// Whether the relay did what it is for.
    pub works: bool,
    /// What was found, in a sentence: where something is wrong, the likely cause and the mend.
    pub finding: String,
}
