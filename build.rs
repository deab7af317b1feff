//! Builds the web page, which the feature `embed-ui` carries inside the binary. Writes to `web/` only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const NO_NODE: &str = "Hearth needs Node.js 20.19, or 22.12 or newer, to build its web page: \
    install the packages nodejs and npm, or build with --no-default-features";

/// What the page is made of, beside `src/`.
const SOURCES: [&str; 6] = ["index.html", "public", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=HEARTH_WEB_PREBUILT");
    if std::env::var_os("CARGO_FEATURE_EMBED_UI").is_none() {
        return;
    }
    // Cargo runs a build script in the directory of its package.
    if let Err(error) = provide_page(Path::new("web")) {
        for line in error.lines().filter(|line| !line.trim().is_empty()) {
            println!("cargo::error={line}");
        }
    }
}

/// Sees to it that `web/dist` is there and current.
fn provide_page(web: &Path) -> Result<(), String> {
    let page = web.join("dist/index.html");
    if std::env::var_os("HEARTH_WEB_PREBUILT").is_some_and(|value| value == "1") {
        println!("cargo::rerun-if-changed={}", web.join("dist").display());
        return if page.is_file() {
            Ok(())
        } else {
            Err(format!("HEARTH_WEB_PREBUILT is 1, but there is no {}", page.display()))
        };
    }
    let sources = sources(web);
    for path in sources.iter().chain([&page]) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    if !web.join("package.json").is_file() {
        return Err(String::from("web/package.json is missing: the sources are incomplete; build with --no-default-features"));
    }
    check_node()?;
    if is_install_due(web) {
        npm(web, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(web, &["run", "build"])?;
    as_old_as_sources(&page, &sources)
}

/// Everything that the page is built from and that exists. `src/wire/` is left out: it holds types only, which leave nothing in
/// the page, and every run of the tests writes it anew.
fn sources(web: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(web.join("src"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| !path.ends_with("wire"))
        .chain(SOURCES.map(|name| web.join(name)))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    paths
}

fn check_node() -> Result<(), String> {
    let output = Command::new("node").arg("--version").output().map_err(|_| NO_NODE)?;
    let version = String::from_utf8_lossy(&output.stdout);
    if is_new_enough(&version) { Ok(()) } else { Err(format!("{NO_NODE} (this is {})", version.trim())) }
}

/// Whether Vite runs on this version of Node.js, which looks like `v20.19.0`. `packaging/need.sh` has the same rule.
pub fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(20), Some(minor)) => minor >= 19,
        (Some(22), Some(minor)) => minor >= 12,
        (Some(major), Some(_)) => major > 22,
        (_, None) | (None, _) => false,
    }
}

/// Whether the installed packages are missing or older than what `package-lock.json` asks for.
fn is_install_due(web: &Path) -> bool {
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    installed.is_none() || installed < modified(&web.join("package-lock.json"))
}

/// Runs npm in `web`; what it said comes with the error.
fn npm(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(arguments).current_dir(web).output().map_err(|_| NO_NODE)?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("`npm {}` failed in web/:\n{out}\n{err}", arguments.join(" ")))
}

/// Dates the page back, so that cargo, which watches it to notice when it is deleted, doesn't take our own writing for a change.
fn as_old_as_sources(page: &Path, sources: &[PathBuf]) -> Result<(), String> {
    let newest = sources.iter().filter_map(|path| modified(path)).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let file = fs::File::options().write(true).open(page);
    file.and_then(|file| file.set_modified(newest)).map_err(|error| format!("{}: {error}", page.display()))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
