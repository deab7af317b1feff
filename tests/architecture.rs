//! Who may import whom, and a few more rules of the house that a compiler doesn't check.
//!
//! The table below is the one of `ARCHITECTURE.md`. Tests that stand beside the code are held to it like the code itself: what a
//! module's tests need of a module above it belongs into `tests/api`.

#[path = "architecture/scanner.rs"]
mod scanner;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scanner::{Mention, Source};

/// Each module and what it may use, from the top down: a module uses only modules below it, and of those only the named ones.
/// `turn::credentials` allows that submodule and nothing beside it.
///
/// `clock` is allowed to all ([`EVERYWHERE`]): time is a parameter nearly everywhere. `lifecycle` stands low although it knows how
/// to stop the program, because it holds the tracked spawner: whoever starts a task names it.
const TABLE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["app", "backup", "control", "config", "doctor", "store", "auth", "tls", "telemetry", "lifecycle", "interfaces"]),
    (
        "app",
        &[
            "http",
            "signaling",
            "hub",
            "doctor",
            "auth",
            "backup",
            "control",
            "turn",
            "tls",
            "config",
            "wire",
            "store",
            "meeting",
            "telemetry",
            "lifecycle",
            "ids",
            "authority",
        ],
    ),
    // It tells of the certificate and of the backups, and answers the authority that wants to see this server under its name.
    (
        "http",
        &[
            "signaling",
            "hub",
            "doctor",
            "auth",
            "backup",
            "turn::credentials",
            "tls",
            "wire",
            "store",
            "meeting",
            "telemetry",
            "lifecycle",
            "ids",
            "authority",
        ],
    ),
    // The welcome carries relay credentials, and they are minted where the list of ICE servers is made.
    ("signaling", &["hub", "auth", "turn::credentials", "wire", "meeting", "lifecycle", "ids", "authority"]),
    ("hub", &["turn", "store", "meeting", "lifecycle", "ids"]),
    // It tries relay and certificate from outside, as a client of both, asks whether a server holds the data, and counts room on the
    // disk as the store does.
    ("doctor", &["control", "store", "turn", "tls", "lifecycle", "interfaces", "ids", "authority"]),
    ("auth", &["store", "lifecycle", "private_files", "ids"]),
    // It copies the store whole, and files without knowing what stands in them.
    ("backup", &["store", "lifecycle", "private_files", "ids"]),
    ("control", &["lifecycle"]),
    ("turn", &["lifecycle", "interfaces", "ids"]),
    ("tls", &["lifecycle", "private_files", "interfaces", "ids"]),
    ("config", &["private_files", "ids", "authority"]),
    ("wire", &["ids"]),
    ("store", &["meeting", "lifecycle", "private_files", "ids"]),
    ("meeting", &["ids"]),
    ("telemetry", &[]),
    ("lifecycle", &[]),
    ("private_files", &[]),
    ("interfaces", &[]),
    ("authority", &[]),
    ("ids", &[]),
    ("clock", &[]),
];

/// What every module may use.
const EVERYWHERE: &str = "clock";

/// The only modules that know the configuration; all others are given settings of their own.
const KNOW_THE_CONFIGURATION: &[&str] = &["cli", "app"];

/// A path into the program, and the only modules beside its own that may name it although the table allows its module to more.
const RESERVED: &[(&str, &[&str])] = &[
    // Handlers and sockets never touch a room: they talk to the task that owns it.
    ("meeting::Room", &["hub"]),
];

/// A crate, and the only module that may say its name.
const CRATES: &[(&str, &str)] = &[("sled", "store"), ("turn", "turn"), ("stun", "turn")];

/// Words that the sans-IO core never says: formats, sockets, tasks, clocks, randomness.
const NOT_IN_MEETING: &[&str] = &[
    "serde",
    "serde_json",
    "Serialize",
    "Deserialize",
    "tokio",
    "axum",
    "sled",
    "tracing",
    "Instant",
    "SystemTime",
    "getrandom",
    "random_bytes",
    "random",
    "async",
    "await",
    "thread",
    "net",
    "fs",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "util", "utils", "helper", "helpers", "misc"];

/// How long a Rust file may be, without its tests.
const RUST_BUDGET: usize = 400;
/// How long a Rust file may be that stands in [`OVER_BUDGET`].
const RUST_LIMIT: usize = 500;
/// How long a TypeScript file may be.
const TYPESCRIPT_BUDGET: usize = 300;
/// Files between [`RUST_BUDGET`] and [`RUST_LIMIT`], each with the reason why cutting it would make it worse.
const OVER_BUDGET: &[(&str, &str)] = &[];

/// One Rust file of `src/`.
struct File {
    /// As shown: `src/hub/mod.rs`.
    name: String,
    /// As Rust sees it: `["hub"]`. Empty for `lib.rs`.
    module: Vec<String>,
    source: Source,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let parts = path.trim_end_matches(".rs").split('/').filter(|part| !matches!(*part, "mod" | "lib"));
        Self { name: format!("src/{path}"), module: parts.map(str::to_owned).collect(), source: Source::read(text) }
    }

    /// The module of the table that this file belongs to.
    fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests")
    }

    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }
}

// The rules. Each answers what breaks it.

fn breaks_the_table(file: &File) -> Vec<String> {
    let Some((_, may_use)) = TABLE.iter().find(|(module, _)| *module == file.top()) else {
        return vec![format!("{}: `{}` has no row in the table", file.name, file.top())];
    };
    let allowed = |mention: &Mention| {
        mention.path[0] == file.top() || mention.path[0] == EVERYWHERE || may_use.iter().any(|path| mention.starts_with(path))
    };
    let reserved = |mention: &Mention| {
        let foreign = mention.path[0] != file.top();
        foreign && RESERVED.iter().any(|(path, modules)| mention.starts_with(path) && !modules.contains(&file.top()))
    };
    let paths = file.source.paths(&file.module).inner;
    let broken = paths.iter().filter(|mention| !allowed(mention) || reserved(mention));
    broken
        .map(|mention| format!("{}: `{}` may not use `{}`", file.at(mention.line), file.top(), mention.path.join("::")))
        .collect()
}

fn names_a_foreign_crate(file: &File) -> Vec<String> {
    let paths = file.source.paths(&file.module);
    // `use crate::turn;` puts our own module in scope under the name of the crate.
    let ours = |name: &str| paths.inner.iter().any(|mention| mention.path == [name]);
    let mut broken = Vec::new();
    for (name, owner) in CRATES.iter().filter(|(_, owner)| *owner != file.top()) {
        let named = paths.outer.iter().filter(|mention| mention.starts_with(name) && !ours(name));
        broken.extend(named.map(|mention| format!("{}: only `{owner}` says `{name}`", file.at(mention.line))));
    }
    broken
}

fn brings_the_world_into_the_core(file: &File) -> Vec<String> {
    let said = |word: &&str| file.source.says(word).map(|line| format!("{}: `meeting` says `{word}`", file.at(line)));
    if file.top() == "meeting" { NOT_IN_MEETING.iter().filter_map(said).collect() } else { Vec::new() }
}

fn has_an_empty_name(file: &File) -> Vec<String> {
    let declared = file.source.modules();
    let declared = declared.iter().map(|mention| (mention.line, mention.path[0].as_str()));
    let own = file.module.iter().map(|part| (1, part.as_str()));
    let empty = own.chain(declared).filter(|(_, name)| EMPTY_NAMES.contains(name));
    empty.map(|(line, name)| format!("{}: `{name}` says nothing; name it for what it does", file.at(line))).collect()
}

fn is_too_long(file: &File, over_budget: &[(&str, &str)]) -> Option<String> {
    let lines = file.source.lines_without_tests();
    let excused = over_budget.iter().any(|(name, _)| *name == file.name);
    match lines {
        _ if file.is_test() => None,
        0..=RUST_BUDGET => excused.then(|| format!("{}: {lines} lines fit the budget; strike it from the exceptions", file.name)),
        _ if excused && lines <= RUST_LIMIT => None,
        _ => Some(format!("{}: {lines} lines without tests, {RUST_BUDGET} are the budget", file.name)),
    }
}

// What is there to check.

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with one of these endings, relative to it, with `/` between the parts.
fn files_below(root: &Path, endings: &[&str]) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("the folder is still there").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|extension| extension == *ending)) {
                let relative = path.strip_prefix(root).expect("it lies below the root");
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                found.push((parts.join("/"), path));
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of the program but `lib.rs`, which has a rule of its own.
fn sources() -> Vec<File> {
    let read = |(name, path): (String, PathBuf)| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        File::new(&name, &text)
    };
    let files: Vec<_> = files_below(&repository().join("src"), &["rs"]).into_iter().map(read).collect();
    assert!(files.len() > TABLE.len(), "the program's source was not found");
    files.into_iter().filter(|file| !file.module.is_empty()).collect()
}

#[track_caller]
fn holds(rule: impl Fn(&File) -> Vec<String>) {
    let broken: Vec<_> = sources().iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_module_uses_only_what_its_row_names() {
    holds(breaks_the_table);
}

#[test]
fn arrows_point_down() {
    for (row, (module, may_use)) in TABLE.iter().enumerate() {
        for path in *may_use {
            let used = path.split("::").next().expect("a path has a first part");
            let below = TABLE[row + 1..].iter().any(|(lower, _)| *lower == used);
            assert!(below, "`{module}` uses `{used}`, which doesn't stand below it");
        }
    }
}

#[test]
fn the_table_has_a_row_for_each_module_and_no_other() {
    let text = fs::read_to_string(repository().join("src/lib.rs")).expect("the library has a root");
    let library = Source::read(&text);
    assert!(library.is_only_modules(), "lib.rs holds `mod` lines and no logic");
    let declared: BTreeSet<_> = library.modules().into_iter().map(|mention| mention.path.concat()).collect();
    let rows: BTreeSet<_> = TABLE.iter().map(|(module, _)| (*module).to_owned()).filter(|module| module != "main").collect();
    assert_eq!(declared, rows);
}

#[test]
fn only_the_composition_root_and_the_command_line_know_the_configuration() {
    let knowing: Vec<_> = TABLE.iter().filter(|(_, may_use)| may_use.contains(&"config")).map(|(module, _)| *module).collect();
    assert_eq!(knowing, KNOW_THE_CONFIGURATION);
}

#[test]
fn each_foreign_crate_with_an_owner_is_named_by_its_owner_alone() {
    holds(names_a_foreign_crate);
}

#[test]
fn the_meeting_core_knows_no_format_no_socket_no_clock_and_no_chance() {
    holds(brings_the_world_into_the_core);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    holds(has_an_empty_name);
    for (name, _) in files_below(&repository().join("web/src"), &["ts", "tsx", "css"]) {
        let empty = name.split(['/', '.']).find(|part| EMPTY_NAMES.contains(part));
        assert_eq!(empty, None, "web/src/{name}");
    }
}

#[test]
fn every_rust_file_keeps_to_its_budget() {
    holds(|file| is_too_long(file, OVER_BUDGET).into_iter().collect());
}

#[test]
fn every_typescript_file_keeps_to_its_budget() {
    for (name, path) in files_below(&repository().join("web/src"), &["ts", "tsx"]) {
        let lines = fs::read_to_string(&path).unwrap_or_else(|error| panic!("web/src/{name}: {error}")).lines().count();
        let exempt = name.starts_with("wire/") || name.ends_with(".test.ts");
        assert!(exempt || lines <= TYPESCRIPT_BUDGET, "web/src/{name}: {lines} lines, {TYPESCRIPT_BUDGET} are the budget");
    }
}

/// The rules themselves, on small planted pieces of source.
#[path = "architecture/planted.rs"]
mod planted;
