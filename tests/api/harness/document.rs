//! The committed description of the API, and whether the server keeps to it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap());

/// Where it lies.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")
}

/// Every operation: its method, its path, and what is said about it.
pub fn operations() -> impl Iterator<Item = (Method, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (method.to_uppercase().parse().unwrap(), path.as_str(), operation))
    })
}

/// Insists that an answer of a described operation is described: its status, and its code among those of that status.
#[track_caller]
pub fn must_allow(method: &Method, path: &str, status: u16, code: &str) {
    let path = path.split('?').next().unwrap_or(path);
    let fitting = || operations().filter(|(known, template, _)| known == method && fits(template, path));
    // A path in words goes before one with a parameter, as it does in the router.
    let Some((_, template, operation)) = fitting().min_by_key(|(_, template, _)| template.contains('{')) else { return };
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{method} {template} answered {status} {code}, which docs/openapi.json doesn't tell");
    let codes = response["description"].as_str().unwrap();
    let told = code.is_empty() || codes.contains(&format!("`{code}`"));
    assert!(told, "{method} {template} answered {status} {code}, but docs/openapi.json tells only of {codes}");
}

fn fits(template: &str, path: &str) -> bool {
    let parts = || template.split('/').zip(path.split('/'));
    template.split('/').count() == path.split('/').count()
        && parts().all(|(wanted, given)| wanted == given || (wanted.starts_with('{') && !given.is_empty()))
}
