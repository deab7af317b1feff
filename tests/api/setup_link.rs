//! The link that makes the first admin: it leads here from other machines, and can be had again by a command (row O4).

use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};

use serde_json::json;

use crate::harness::{Options, Person, TestServer, program, skip};

fn asked(server: &TestServer) -> Output {
    server.command().arg("setup-link").output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn o4_a_command_prints_a_new_setup_link_until_there_is_an_admin() {
    let mut server = TestServer::start();
    let announced = server.setup_token.clone().unwrap();
    let output = asked(&server);
    let said = words(&output.stdout);
    assert!(output.status.success(), "{said}{}", words(&output.stderr));
    let link = said.lines().next().unwrap();
    let token = link.strip_prefix(&format!("{}/setup#", server.address)).unwrap_or_else(|| panic!("{said}"));
    let old = json!({"token": announced, "email": "eve@example.org", "name": "Eve", "password": "correct horse battery"});
    Person::guest(&server).post("/api/setup", &old).await.refused(403, "setup_token_invalid");
    server.setup_token = Some(token.to_owned());
    Person::admin(&server).await;
    let refused = asked(&server);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty() && words(&refused.stderr).contains("there are accounts already"));
    server.kill();
    let nobody = asked(&server);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(words(&nobody.stderr).contains("no running Hearth answers in this data directory"), "{}", words(&nobody.stderr));
}

/// A network in which this machine has an address that others reach, and a way out.
const ON_A_NETWORK: &str =
    "ip link set lo up; ip addr add 192.168.7.9/24 dev lo; ip route add default via 192.168.7.9; exec \"$@\"";

#[test]
fn o4_the_printed_setup_link_leads_here_from_other_machines() {
    let words_of = |script: &str| ["unshare", "--net", "sh", "-ec", script, "sh"].map(str::to_owned);
    let tried = words_of(ON_A_NETWORK);
    if !program(&tried[0]).args(&tried[1..]).arg("true").output().is_ok_and(|output| output.status.success()) {
        skip("this user may not make a network namespace, or unshare or ip is not there");
        return;
    }
    let server = TestServer::prepare();
    server.configure(&Options::default());
    for (variables, expected) in [
        (&[("HEARTH_SERVER_LISTEN", "0.0.0.0:8443")][..], &["https://192.168.7.9:8443", "https://localhost:8443"][..]),
        (&[("HEARTH_SERVER_LISTEN", "0.0.0.0:443,[::]:443")], &["https://192.168.7.9", "https://localhost"]),
        (&[("HEARTH_SERVER_LISTEN", "127.0.0.1:8443")], &["https://localhost:8443"]),
        (
            &[
                ("HEARTH_SERVER_LISTEN", "0.0.0.0:8443"),
                ("HEARTH_SERVER_PUBLIC_URL", "https://meet.example.org"),
                ("HEARTH_TLS_MODE", "local"),
            ],
            // The name may be misspelt, or not lead here yet.
            &["https://meet.example.org", "https://192.168.7.9:8443", "https://localhost:8443"],
        ),
    ] {
        let mut command = program(&tried[0]);
        command.args(&tried[1..]).arg(env!("CARGO_BIN_EXE_hearth")).arg("--config").arg(server.config_file());
        command.arg("--data-dir").arg(server.data_dir()).envs(variables.iter().copied());
        let mut running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(running.stdout.take().unwrap()).lines().map(Result::unwrap);
        let announced: Vec<_> = lines.take_while(|line| line != "Press Ctrl-C to stop.").collect();
        let again = words(&asked(&server).stdout);
        running.kill().unwrap();
        running.wait().unwrap();
        let origin = |link: &str| link.split_once("/setup#").map(|(origin, _)| origin.to_owned());
        let printed: Vec<_> = announced.iter().filter_map(|line| origin(line.strip_prefix("setup: ")?)).collect();
        assert_eq!(printed, expected, "{announced:?}");
        assert_eq!(again.lines().filter_map(origin).collect::<Vec<_>>(), expected, "{again}");
        let trust = format!("trust: {}/trust", expected[0]);
        assert!(announced.contains(&trust), "{announced:?}");
    }
}
