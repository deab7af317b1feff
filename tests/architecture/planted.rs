//! Each rule is shown something that breaks it and something that only looks as if it did.

use super::{
    File, RUST_BUDGET, RUST_LIMIT, Source, breaks_the_table, brings_the_world_into_the_core, has_an_empty_name, is_too_long,
    names_a_foreign_crate,
};

fn inner(file: &str, text: &str) -> Vec<String> {
    let file = File::new(file, text);
    file.source.paths(&file.module).inner.iter().map(|mention| mention.path.join("::")).collect()
}

#[track_caller]
fn breaks(rule: impl Fn(&File) -> Vec<String>, file: &str, text: &str) {
    assert!(!rule(&File::new(file, text)).is_empty(), "not noticed in {file}: {text}");
}

#[track_caller]
fn keeps(rule: impl Fn(&File) -> Vec<String>, file: &str, text: &str) {
    assert_eq!(rule(&File::new(file, text)), Vec::<String>::new(), "in {file}: {text}");
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    for text in [
        "use crate::store::Store;",
        "pub use crate::store::Store as Other;",
        "use crate::{ids::RoomId, store::{Store, self}};",
        "use crate::{\n    clock::Now as Then,\n    store,\n};",
        "use {std::fmt, crate::store::Store};",
        "fn open() { let _ = crate::store::open::<u8>(1 as u8); }",
        "type A = Vec<crate::store::Store>;",
        "impl<'a> From<<crate::store::Store as X>::Y> for Z<'a> {}",
        "use super::super::store::Store;",
        "mod inner { use super::super::super::store; }",
        "mod inner { fn f() {} } use super::super::store;",
        "use self::super::super::store;",
        "const C: char = '\\''; use crate::store; const D: char = '\"';",
        "const R: &str = r#\"a \" b\"#; use crate::store;",
        "/* /* */ */ use crate::store;",
        "matches!(x, crate::store::Kind::A)",
        "use hearth::store;",
    ] {
        assert!(inner("meeting/room.rs", text).iter().any(|path| path.starts_with("store")), "{text}");
        breaks(breaks_the_table, "meeting/room.rs", text);
    }
}

#[test]
fn what_only_looks_like_a_module_is_not_seen() {
    for text in [
        "// use crate::store;",
        "//! [`crate::store::Store`]",
        "/* use crate::store; /* */ use crate::store; */",
        "const A: &str = \"use crate::store;\";",
        "const A: &str = \"\\\" use crate::store;\";",
        "const A: &[u8] = br##\"\"# use crate::store;\"##;",
        "pub(crate) fn store() {}",
        "fn store() { self::store::x(); store::y(); }",
        "mod tests { use super::*; }",
        "use super::event::{Input, Output};",
        "use crate::clock::{Now, Tick};",
        "pub(in crate::meeting) fn f() {}",
    ] {
        keeps(breaks_the_table, "meeting/room.rs", text);
    }
}

#[test]
fn members_of_a_group_are_resolved_one_by_one() {
    assert_eq!(
        inner("hub/mod.rs", "use crate::{a::{b, c::*}, d as e, super::f};\nlet x = crate::g::<T>::h();"),
        ["a::b", "a::c::*", "d", "f", "g"]
    );
    assert_eq!(inner("hub/mod.rs", "use super::{auth::{self, X}, turn};"), ["auth", "auth::X", "turn"]);
}

#[test]
fn the_whole_crate_at_once_is_nobodys_to_use() {
    breaks(breaks_the_table, "app.rs", "use crate::*;");
    breaks(breaks_the_table, "app.rs", "use super::*;");
    breaks(breaks_the_table, "app.rs", "use crate as everything;");
    keeps(breaks_the_table, "app.rs", "mod tests { use super::*; }");
}

#[test]
fn a_row_may_name_a_submodule_alone() {
    keeps(breaks_the_table, "http/join.rs", "use crate::turn::credentials::mint;");
    keeps(breaks_the_table, "http/join.rs", "use crate::turn::{credentials::{mint, Credential}};");
    breaks(breaks_the_table, "http/join.rs", "use crate::turn::Relay;");
    breaks(breaks_the_table, "http/join.rs", "use crate::turn;");
    breaks(breaks_the_table, "http/join.rs", "use crate::config::Config;");
}

#[test]
fn a_room_is_the_hubs_alone() {
    keeps(breaks_the_table, "hub/task.rs", "use crate::meeting::{Input, Room};");
    breaks(breaks_the_table, "signaling/session.rs", "use crate::meeting::{Input, Room};");
    keeps(breaks_the_table, "signaling/session.rs", "use crate::meeting::{Input, RoomSettings};");
    keeps(breaks_the_table, "meeting/room.rs", "use crate::meeting::Room;");
}

#[test]
fn tests_and_unknown_modules_are_held_to_the_table_too() {
    breaks(breaks_the_table, "meeting/tests/mod.rs", "use crate::store::Store;");
    breaks(breaks_the_table, "ids.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; }");
    breaks(breaks_the_table, "novelty.rs", "");
}

#[test]
fn a_foreign_crate_is_known_by_its_name() {
    for text in [
        "use sled::Db;",
        "extern crate sled;",
        "use sled as database;",
        "fn f(db: &::sled::Db) {}",
        "x.map_err(sled::Error::from)",
    ] {
        breaks(names_a_foreign_crate, "hub/mod.rs", text);
        keeps(names_a_foreign_crate, "store/mod.rs", text);
    }
    breaks(names_a_foreign_crate, "hub/mod.rs", "use turn::server::Server;");
    breaks(names_a_foreign_crate, "http/mod.rs", "use crate::turn::credentials;\nuse turn::auth;");
    keeps(names_a_foreign_crate, "app.rs", "use crate::{hub, turn};\nfn f() { turn::start(); }");
    keeps(names_a_foreign_crate, "hub/mod.rs", "use crate::turn::Relay; // not sled::Db\nstruct S { stun: bool }");
}

#[test]
fn the_core_is_searched_for_words() {
    for text in ["#[derive(serde::Serialize)]", "use std::time::Instant;", "async fn f() {}", "let id = ParticipantId::random();"]
    {
        breaks(brings_the_world_into_the_core, "meeting/room.rs", text);
        keeps(brings_the_world_into_the_core, "hub/mod.rs", text);
    }
    keeps(brings_the_world_into_the_core, "meeting/room.rs", "// An Instant of tokio\nuse std::time::Duration;");
}

#[test]
fn empty_names_are_noticed_in_paths_and_in_source() {
    for file in ["common/mod.rs", "http/utils.rs", "hub/tests/helpers.rs"] {
        breaks(has_an_empty_name, file, "");
    }
    breaks(has_an_empty_name, "http/mod.rs", "mod misc { }");
    keeps(has_an_empty_name, "http/mod.rs", "fn common() {}\nmod limits;");
}

#[test]
fn lines_are_counted_without_tests() {
    let code = "fn a() {}\n".repeat(3);
    for tests in [
        "#[cfg(test)]\nmod tests {\n    fn f() -> [u8; 2] { [b'}', 2] }\n}\n",
        "#[cfg(test)]\n#[derive(Debug)]\nstruct A;\n",
        "#[cfg(test)]\nfn f(x: [u8; 2]) -> u8 {\n    x[0]\n}\n",
    ] {
        assert_eq!(Source::read(&format!("{code}{tests}{code}")).lines_without_tests(), 6, "{tests}");
    }
    assert_eq!(Source::read(&format!("#![cfg(test)]\n{code}")).lines_without_tests(), 0);
    assert_eq!(Source::read(&format!("#[cfg_attr(test, derive(Debug))]\n{code}")).lines_without_tests(), 4);
}

#[test]
fn long_files_need_an_exception_and_exceptions_need_long_files() {
    let file = |name: &str, lines: usize| File::new(name, &"//\n".repeat(lines));
    let excused = [("src/hub/mod.rs", "one table")];
    assert_eq!(is_too_long(&file("hub/mod.rs", RUST_BUDGET), &[]), None);
    assert!(is_too_long(&file("hub/mod.rs", RUST_BUDGET + 1), &[]).is_some());
    assert_eq!(is_too_long(&file("hub/mod.rs", RUST_LIMIT), &excused), None);
    assert!(is_too_long(&file("hub/mod.rs", RUST_LIMIT + 1), &excused).is_some());
    assert!(is_too_long(&file("hub/mod.rs", RUST_BUDGET), &excused).is_some());
    assert_eq!(is_too_long(&file("hub/tests/mod.rs", RUST_LIMIT + 1), &[]), None);
}

#[test]
fn the_library_root_holds_modules_alone() {
    assert!(Source::read("//! Docs.\n#![warn(x)]\npub mod a;\n#[cfg(test)]\nmod b;\n").is_only_modules());
    assert!(!Source::read("mod a;\npub use a::b;\n").is_only_modules());
    assert!(!Source::read("mod a { fn f() {} }\n").is_only_modules());
}
