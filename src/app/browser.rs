//! The settings as the administrators' page shows and changes them: between [`config`](crate::config) and [`wire`](crate::wire).

use toml::{Table, Value};

use crate::config::{Change, Loaded, Origin, Problem, Problems, SET_IN_BROWSER};
use crate::http::{SettingsKeeper, SettingsRefusal};
use crate::wire::error::SettingProblem;
use crate::wire::settings::{OtherIceServer, SettingChange, SettingInfo, SettingOrigin, SettingValue, SettingsReply};

use super::reload::{HeldSettings, Unchanged};

impl SettingsKeeper for HeldSettings {
    fn settings(&self) -> SettingsReply {
        reply(self, &self.loaded())
    }

    fn change(&self, changes: Vec<SettingChange>) -> Result<SettingsReply, SettingsRefusal> {
        let changes: Vec<Change> = changes.into_iter().map(change).collect::<Result<_, _>>().map_err(refused)?;
        match self.set(&changes) {
            Ok(loaded) => Ok(reply(self, &loaded)),
            Err(Unchanged::Wrong(problems)) => Err(refused(problems)),
            Err(Unchanged::Unwritten(error)) => Err(SettingsRefusal::Unwritten(error)),
        }
    }
}

fn reply(held: &HeldSettings, loaded: &Loaded) -> SettingsReply {
    let offered = loaded.values().into_iter().filter(|(key, ..)| key.offered);
    let settings = offered.map(|(key, value, origin)| SettingInfo {
        key: key.name,
        value: value.as_ref().and_then(out),
        default: key.default.as_ref().and_then(out),
        origin: match origin {
            Origin::Default => SettingOrigin::Default,
            Origin::Browser => SettingOrigin::Browser,
            Origin::File => SettingOrigin::File,
            Origin::Environment => SettingOrigin::Environment,
            Origin::Flag => SettingOrigin::Flag,
        },
        live: key.live,
        doc: key.doc,
    });
    SettingsReply { settings: settings.collect(), waiting: held.waiting(loaded).into_iter().map(|key| key.name).collect() }
}

fn refused(problems: Problems) -> SettingsRefusal {
    // On the page itself it goes without saying where it was set.
    let told = |Problem { key, what, mend }: &Problem| SettingProblem {
        key: key.clone(),
        message: what.strip_suffix(SET_IN_BROWSER).unwrap_or(what).to_owned(),
        mend: mend.clone(),
    };
    SettingsRefusal::Wrong(problems.iter().map(told).collect())
}

fn change(SettingChange { key, value }: SettingChange) -> Result<Change, Problems> {
    let Some((section, name)) = key.split_once('.') else {
        return Err(Problem::new(key, "there is no such setting", "name it like server.name").into());
    };
    Ok(Change { section: section.to_owned(), key: name.to_owned(), value: value.map(into_toml) })
}

fn into_toml(value: SettingValue) -> Value {
    match value {
        SettingValue::Flag(flag) => Value::Boolean(flag),
        SettingValue::Number(number) => Value::Integer(number.into()),
        SettingValue::Text(text) => Value::String(text),
        SettingValue::List(list) => Value::Array(list.into_iter().map(Value::String).collect()),
        SettingValue::Servers(servers) => Value::Array(servers.into_iter().map(server_into_toml).collect()),
    }
}

fn server_into_toml(server: OtherIceServer) -> Value {
    let OtherIceServer { urls, username, password, password_file, secret, secret_file, ttl_seconds } = server;
    let texts = [
        ("username", username),
        ("password", password),
        ("password_file", password_file),
        ("secret", secret),
        ("secret_file", secret_file),
    ];
    let mut table = Table::new();
    table.insert(String::from("urls"), Value::Array(urls.into_iter().map(Value::String).collect()));
    table.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::String(text?)))));
    table.extend(ttl_seconds.map(|seconds| (String::from("ttl_seconds"), Value::Integer(seconds.into()))));
    Value::Table(table)
}

/// What the page understands; everything that a key can be, but for what no key is.
fn out(value: &Value) -> Option<SettingValue> {
    match value {
        Value::Boolean(flag) => Some(SettingValue::Flag(*flag)),
        Value::Integer(number) => u32::try_from(*number).ok().map(SettingValue::Number),
        Value::String(text) => Some(SettingValue::Text(text.clone())),
        Value::Array(list) if list.iter().any(Value::is_table) => {
            Some(SettingValue::Servers(list.iter().filter_map(Value::as_table).map(server_out).collect()))
        }
        Value::Array(list) => Some(SettingValue::List(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn server_out(table: &Table) -> OtherIceServer {
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let urls = table.get("urls").and_then(Value::as_array).into_iter().flatten();
    OtherIceServer {
        urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
        username: text("username"),
        password: text("password"),
        password_file: text("password_file"),
        secret: text("secret"),
        secret_file: text("secret_file"),
        ttl_seconds: table.get("ttl_seconds").and_then(Value::as_integer).and_then(|seconds| seconds.try_into().ok()),
    }
}
