//! Commands beside an installed server find its settings by themselves, in `/etc/hearth/config.toml`. Each test has an `/etc` of its
//! own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::doctor::world::WAY;
use crate::harness::program;

/// Settings as a package brings them, for a server in a network of its own.
const SETTINGS: &str = "[server]\nname = \"Chess club\"\nlisten = [\"127.0.0.1:8443\"]\ndata_dir = \"DIR/data\"\n\
                        [relay]\nlisten = [\"127.0.0.1:3478\"]\nlisten_tls = []\naddress = \"127.0.0.1\"\nself_test = false\n";

/// A machine whose `/etc/hearth/config.toml` holds `settings`, on which this script runs. `None` where none can be made.
fn on_a_machine_with(settings: Option<&str>, script: &str) -> Option<(TempDir, Output)> {
    let way = WAY.as_ref()?;
    let dir = TempDir::new().unwrap();
    let etc = dir.path().join("etc");
    std::fs::create_dir_all(etc.join("hearth")).unwrap();
    if let Some(settings) = settings {
        let text = settings.replace("DIR", dir.path().to_str().unwrap());
        std::fs::write(etc.join("hearth/config.toml"), text).unwrap();
    }
    let mut command = program(&way[0]);
    let script = format!("set -e\nip link set lo up\nmount --bind \"$DIR/etc\" /etc\ncd \"$DIR\"\n{script}");
    command.args(&way[1..]).args(["sh", "-c", &script]).env("DIR", dir.path()).env("PROGRAM", env!("CARGO_BIN_EXE_hearth"));
    let output = command.output().unwrap();
    Some((dir, output))
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn o10_commands_find_the_settings_of_an_installed_server_by_themselves() {
    let script = r#"
HEARTH_CONFIG=/etc/hearth/config.toml "$PROGRAM" serve > said 2> log &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
until grep -q 'Press Ctrl-C' said; do kill -0 $server; sleep 0.05; done
"$PROGRAM" health > health
"$PROGRAM" config check > check
"$PROGRAM" config show > show
"$PROGRAM" backup kept > backup
"$PROGRAM" upgrade-check --json > upgrade
"$PROGRAM" doctor > doctor || true
"$PROGRAM" doctor --json > json || true
kill $server
wait $server
"$PROGRAM" restore kept > restore
"#;
    let Some((dir, output)) = on_a_machine_with(Some(SETTINGS), script) else { return };
    let dir = dir.path();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read(dir, "health"), "The server is ready.\n");
    assert_eq!(read(dir, "check"), "The configuration is good (settings of /etc/hearth/config.toml).\n");
    let shown = read(dir, "show");
    assert!(shown.starts_with("# settings of /etc/hearth/config.toml\n"), "{shown}");
    assert!(shown.contains("server.name = \"Chess club\"  # configuration file\n"), "{shown}");
    assert!(dir.join("kept").metadata().unwrap().len() > 0 && !read(dir, "restore").is_empty());
    assert!(dir.join("data/store").is_dir());
    serde_json::from_str::<Value>(&read(dir, "upgrade")).unwrap();
    let told = read(dir, "doctor");
    assert!(told.starts_with("Looked at with settings of /etc/hearth/config.toml.\ngood     Hearth runs here.\n"), "{told}");
    let json: Value = serde_json::from_str(&read(dir, "json")).unwrap();
    assert_eq!(json["configuration"], "/etc/hearth/config.toml");
    assert_eq!(json["findings"][0]["outcome"], "good", "{json}");
}

#[test]
fn o10_what_is_named_counts_and_the_server_itself_reads_no_file_unasked() {
    let script = r#"
"$PROGRAM" config show --config /dev/null > flag
HEARTH_CONFIG=/dev/null "$PROGRAM" config show > variable
"$PROGRAM" config show --data-dir "$DIR/other" > data
HEARTH_SERVER_DATA_DIR="$DIR/other" "$PROGRAM" config show >> data
"$PROGRAM" serve --listen 127.0.0.1:9443 --data-dir "$DIR/other" > said 2> log &
server=$!
until grep -q 'Press Ctrl-C' said; do kill -0 $server; sleep 0.05; done
kill $server
wait $server
"#;
    let broken = format!("{SETTINGS}nonsense = 1\n");
    let Some((dir, output)) = on_a_machine_with(Some(&broken), script) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for shown in ["flag", "variable"] {
        let shown = read(dir.path(), shown);
        assert!(
            shown.starts_with("# settings of /dev/null\n") && shown.contains("server.name = \"Hearth\"  # default\n"),
            "{shown}"
        );
    }
}

#[test]
fn o10_without_an_installed_server_the_defaults_hold_and_that_is_said() {
    let Some((_dir, output)) = on_a_machine_with(None, "\"$PROGRAM\" config show") else { return };
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("# no configuration file\n"), "{shown}");
}

#[test]
fn o10_commands_know_the_variables_of_the_installed_unit_and_their_own_come_first() {
    let script = r#"
printf '# Names\nHEARTH_SERVER_NAME="Bridge club"\nHEARTH_RELAY_ENABLED=false\nUNKNOWN=1\n' > /etc/hearth/hearth.env
"$PROGRAM" config show > both
HEARTH_SERVER_NAME=Own "$PROGRAM" config show > own
rm /etc/hearth/config.toml
"$PROGRAM" config show > alone
echo "HEARTH_CONFIG=$DIR/named.toml" >> /etc/hearth/hearth.env
printf '[meetings]\nmax_participants = 7\n' > named.toml
"$PROGRAM" config show > named
echo HEARTH_SERVER_NONSENSE=1 >> /etc/hearth/hearth.env
status=0
"$PROGRAM" config check 2> wrong || status=$?
test $status = 2
HEARTH_CONFIG=/dev/null "$PROGRAM" config show > elsewhere
"#;
    let Some((dir, output)) = on_a_machine_with(Some(SETTINGS), script) else { return };
    let dir = dir.path();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let says = |name: &str, lines: &[&str]| {
        let shown = read(dir, name);
        for line in lines {
            assert!(shown.lines().any(|shown| shown == *line), "{name} lacks {line:?}: {shown}");
        }
    };
    let variables = ["server.name = \"Bridge club\"  # environment", "relay.enabled = false  # environment"];
    let data = "server.data_dir = \"/var/lib/hearth\"  # environment";
    says("both", &variables);
    says(
        "both",
        &[
            "# settings of /etc/hearth/config.toml and /etc/hearth/hearth.env",
            "relay.self_test = false  # configuration file",
            data,
        ],
    );
    says("own", &["server.name = \"Own\"  # environment", variables[1]]);
    says("alone", &variables);
    says("alone", &["# settings of /etc/hearth/hearth.env", data]);
    says("named", &["meetings.max_participants = 7  # configuration file", variables[0], data]);
    assert!(read(dir, "wrong").contains("HEARTH_SERVER_NONSENSE"), "{}", read(dir, "wrong"));
    says("elsewhere", &["# settings of /dev/null", "server.name = \"Hearth\"  # default"]);
}

#[test]
fn o10_settings_of_an_installed_server_that_this_user_may_not_read_are_told_and_not_passed_over() {
    // As the package leaves the directory; without its powers root is a user like any other.
    let script = "chmod 000 /etc/hearth\nfor command in doctor health 'config show' 'config check' 'backup kept' 'restore kept' upgrade-check; do\n\
                  status=0\nsetpriv --bounding-set=-dac_override,-dac_read_search \"$PROGRAM\" $command > out 2>&1 || status=$?\n\
                  echo \"$status $(cat out)\"\ndone\nchmod 700 /etc/hearth";
    let Some((dir, output)) = on_a_machine_with(Some(SETTINGS), script) else { return };
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = "2 config: /etc/hearth/config.toml: a server is installed here, and this user may not read its settings — run this with \
                    sudo, or name another file with --config";
    assert_eq!(told.lines().collect::<Vec<_>>(), [expected; 7], "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(dir.path().join("etc/hearth").metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
