//! Backups of a running server, of one that is stopped, and those that it makes by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hearth::backup::inspect;

use crate::harness::{Options, Person, TestServer, sooner_or_later};
use crate::tools::{again, hearth, run, said, sign_in, try_create};

/// The backups of a directory, by name.
fn backups(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Puts a backup into a server of its own and starts it.
fn restored(file: &Path) -> TestServer {
    let mut other = TestServer::start();
    assert!(other.stop().success());
    run(&other.data_dir(), &["restore", file.to_str().unwrap()]).ok();
    other.launch();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_backup_under_load_restored_elsewhere_has_everything_that_was_acknowledged_before() {
    let server = TestServer::start();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut writers = tokio::task::JoinSet::new();
    for name in ["Ben", "Cleo", "Dora"] {
        let person = Person::member(&server, name).await;
        let acknowledged = Arc::clone(&acknowledged);
        writers.spawn(async move {
            loop {
                let answer = try_create(&person).await;
                if answer.status.is_success() {
                    let room = answer.body["meeting"]["roomId"].as_str().unwrap().to_owned();
                    acknowledged.lock().unwrap().push((name, room));
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        });
    }
    let home = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for number in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        let before = acknowledged.lock().unwrap().clone();
        let file = home.path().join(format!("{number}.backup"));
        let (data_dir, path) = (server.data_dir(), file.clone());
        let told = tokio::task::spawn_blocking(move || run(&data_dir, &["backup", path.to_str().unwrap()]).ok()).await.unwrap();
        assert!(told.contains("has the backup") && told.contains("Keep it safe"), "{told}");
        assert_eq!(mode(&file), 0o600);
        made.push((file, before));
    }
    writers.shutdown().await;
    assert_eq!(backups(home.path()), ["0.backup", "1.backup", "2.backup"], "nothing unfinished stays behind");
    for (file, before) in made {
        let other = restored(&file);
        for name in ["Ben", "Cleo", "Dora"] {
            let person = again(&other, name).await;
            for (_, room) in before.iter().filter(|(host, _)| *host == name) {
                assert_eq!(person.get(&format!("/api/meetings/{room}")).await.ok()["meeting"]["title"], "Standup");
            }
            // Each meeting and its place in the list are one write.
            let listed = person.get("/api/meetings?limit=100").await.ok();
            for meeting in listed["meetings"].as_array().unwrap() {
                let room = meeting["roomId"].as_str().unwrap();
                person.get(&format!("/api/meetings/{room}")).await.ok();
            }
        }
    }
    assert!(acknowledged.lock().unwrap().len() > 3);
}

#[tokio::test]
async fn o3_a_backup_has_keys_and_certificates_so_that_people_stay_signed_in() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    fs::write(server.data_dir().join("settings.toml"), "# set in the browser\n").unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("all.backup");
    run(&server.data_dir(), &["backup", file.to_str().unwrap()]).ok();
    assert!(server.stop().success());
    let (fingerprint, certificate) = (server.fingerprint.clone(), server.certificate());
    fs::remove_dir_all(server.data_dir()).unwrap();
    let told = run(&server.data_dir(), &["restore", file.to_str().unwrap()]).ok();
    assert!(!told.contains("before-restore"), "there was nothing before: {told}");
    server.launch();
    assert_eq!((&server.fingerprint, server.certificate()), (&fingerprint, certificate));
    assert_eq!(ben.get("/api/auth/me").await.ok()["name"], "Ben", "the token that was given out before is good");
    assert_eq!(fs::read_to_string(server.data_dir().join("settings.toml")).unwrap(), "# set in the browser\n");
    for path in server.files() {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn a_backup_goes_to_the_standard_output_whether_the_server_runs_or_not() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    let home = tempfile::tempdir().unwrap();
    for running in [true, false] {
        if !running {
            assert!(server.stop().success());
        }
        let output = hearth(&server.data_dir(), &["backup", "-"]).stderr(Stdio::null()).output().unwrap();
        assert!(output.status.success());
        let file = home.path().join(format!("{running}.backup"));
        fs::write(&file, output.stdout).unwrap();
        let contents = inspect(&file).unwrap();
        assert_eq!(contents.header.made_by, env!("CARGO_PKG_VERSION"));
        assert!(contents.summary.entries > 3 && contents.summary.files > 3 && contents.summary.damaged == 0, "{contents:?}");
    }
    // A reader that goes away.
    let mut child = hearth(&server.data_dir(), &["backup", "-"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_backup_replaces_an_earlier_one_and_says_where_it_can_not_be() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    assert!(server.stop().success());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("hearth.backup");
    fs::write(&file, "yesterday's").unwrap();
    run(&server.data_dir(), &["backup", file.to_str().unwrap()]).ok();
    inspect(&file).unwrap();
    for bad in [home.path().to_owned(), home.path().join("no/such/directory/x"), PathBuf::from("/dev/null")] {
        run(&server.data_dir(), &["backup", bad.to_str().unwrap()]).refused(1, &["can't be written"]);
    }
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    run(&empty, &["backup", file.to_str().unwrap()]).refused(1, &["there are no data in", "--data-dir"]);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert_eq!(backups(home.path()), ["empty", "hearth.backup"]);
}

/// Makes the data two days old, as far as their files tell.
fn age(server: &TestServer) {
    let mark = server.data_dir().join("store/created");
    assert!(Command::new("touch").args(["-d", "2 days ago"]).arg(mark).status().unwrap().success());
}

#[tokio::test]
async fn data_that_are_a_day_old_are_backed_up_by_themselves_and_seven_are_kept() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    let dir = server.data_dir().join("backups");
    assert!(server.stop().success());
    age(&server);
    fs::create_dir(&dir).unwrap();
    for day in 1..=9 {
        fs::write(dir.join(format!("hearth-2020010{day}T000000Z.backup")), "an old one").unwrap();
    }
    fs::write(dir.join("my own.backup"), "not made by Hearth").unwrap();
    server.launch();
    let newest = || backups(&dir).into_iter().rfind(|name| name.starts_with("hearth-") && !name.starts_with("hearth-2020"));
    sooner_or_later("a backup is made", async || newest().is_some() && backups(&dir).len() == 8).await;
    let kept: Vec<_> = backups(&dir).into_iter().filter(|name| name.starts_with("hearth-2020")).collect();
    assert_eq!(kept.first().unwrap(), "hearth-20200104T000000Z.backup");
    assert!(dir.join("my own.backup").exists());
    let file = dir.join(newest().unwrap());
    assert_eq!(mode(&file), 0o600);
    let other = restored(&file);
    sign_in(&other, "Ben").await.ok();
}

#[tokio::test]
async fn young_data_and_those_whose_backups_are_off_are_left_alone() {
    for config in ["", "[backup]\ndaily = false\n"] {
        let mut server = TestServer::with(&Options { config: config.to_owned(), ..Options::default() });
        if !config.is_empty() {
            assert!(server.stop().success());
            age(&server);
            server.launch();
        }
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(backups(&server.data_dir().join("backups")), [""; 0], "{config}");
    }
}

#[tokio::test]
async fn a_daily_backup_that_can_not_be_made_is_a_warning_and_the_server_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("file");
    fs::write(&place, "no directory").unwrap();
    let config = format!("[backup]\ndirectory = {:?}\n", place.join("backups").display().to_string());
    let mut server = TestServer::with(&Options { config, ..Options::default() });
    assert!(server.stop().success());
    age(&server);
    server.launch();
    sooner_or_later("the failure is told", async || server.log().contains("the daily backup could not be made")).await;
    let ben = Person::member(&server, "Ben").await;
    try_create(&ben).await.ok();
    assert_eq!(ben.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn f2_what_is_told_about_a_backup_holds_no_secret() {
    let server = TestServer::start();
    Person::member(&server, "Ben").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("x.backup");
    let told = said(hearth(&server.data_dir(), &["backup", file.to_str().unwrap()]).output().unwrap());
    let words = format!("{}{}{}", told.out, told.err, server.log());
    assert!(!words.contains("Ben keeps secrets") && !words.contains("$argon2id$"), "{words}");
    let bytes = fs::read(&file).unwrap();
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"$argon2id$") && !has(b"Ben keeps secrets"), "a backup has hashes and no passwords");
}

/// A figure of `/metrics`.
async fn figure(person: &Person, name: &str) -> Option<f64> {
    let answer = person.client.get(format!("{}/metrics", person.base)).send().await.unwrap();
    let text = answer.text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn administrators_and_figures_are_told_why_there_is_no_backup_until_there_is_one() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("file");
    fs::write(&place, "no directory").unwrap();
    let config = format!("[backup]\ndirectory = {:?}\n", place.display().to_string());
    let mut server = TestServer::with(&Options { config, ..Options::default() });
    let admin = Person::admin(&server).await;
    let told = async || admin.get("/api/admin/status").await.ok();
    assert_eq!(told().await["resources"]["lastBackup"], serde_json::Value::Null);
    assert_eq!(figure(&admin, "hearth_backup_problem").await, Some(0.0));
    assert_eq!(figure(&admin, "hearth_last_backup_timestamp_seconds").await, None);

    assert!(server.stop().success());
    age(&server);
    server.launch();
    sooner_or_later("the failure is told", async || !told().await["problems"].as_array().unwrap().is_empty()).await;
    let status = told().await;
    let problem = &status["problems"][0];
    let message = problem["message"].as_str().unwrap();
    assert_eq!(problem["code"], "backup_failed");
    assert!(message.contains(place.to_str().unwrap()) && message.contains("set backup.directory"), "{message}");
    server.has_logged("the daily backup could not be made");
    assert_eq!(figure(&admin, "hearth_backup_problem").await, Some(1.0));
    // Where the data lie is nobody's business who asks whether the server works.
    let ready = Person::guest(&server).get("/readyz").await;
    assert!(ready.status == 200 && !ready.body.to_string().contains("backup"), "{}", ready.body);

    // Something else that lies there is no backup of this server, however new it is.
    assert!(server.stop().success());
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("notes.txt"), "written just now").unwrap();
    server.launch();
    sooner_or_later("a backup is made", async || told().await["resources"]["lastBackup"].is_string()).await;
    let status = told().await;
    assert_eq!(status["problems"], serde_json::json!([]));
    let made = backups(&place).into_iter().find(|name| name.starts_with("hearth-")).unwrap();
    let at = status["resources"]["lastBackup"].as_str().unwrap();
    let seconds: String = at.split(['.', 'Z']).next().unwrap().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    assert_eq!(made, format!("hearth-{seconds}Z.backup"));
    assert_eq!(figure(&admin, "hearth_backup_problem").await, Some(0.0));
    assert!(figure(&admin, "hearth_last_backup_timestamp_seconds").await.is_some());

    // The next start finds it.
    assert!(server.stop().success());
    server.launch();
    sooner_or_later("it is found again", async || told().await["resources"]["lastBackup"].is_string()).await;
}

#[tokio::test]
async fn a_link_among_keys_and_certificates_is_named_and_what_it_leads_to_is_in_no_backup() {
    let mut server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let (file, secret) = (home.path().join("x.backup"), home.path().join("elsewhere.pem"));
    fs::write(&secret, "a canary of another program").unwrap();
    let link = server.data_dir().join("tls/mine.pem");
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    for running in [true, false] {
        if !running {
            assert!(server.stop().success());
        }
        let told = said(hearth(&server.data_dir(), &["backup", file.to_str().unwrap()]).output().unwrap());
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert!(told.err.contains(link.to_str().unwrap()) && told.err.contains("not in the backup"), "{}", told.err);
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"a canary"));
    }
    server.has_logged("this is a link");
}

#[tokio::test]
async fn what_root_does_follows_no_link_out_of_the_data_directory() {
    let home = tempfile::tempdir().unwrap();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("shadow"), "root's own").unwrap();
    if !crate::tools::can("chown", &["51234:51234", home.path().to_str().unwrap()]) {
        return;
    }
    let mut server = TestServer::start();
    assert!(server.stop().success());
    let data_dir = server.data_dir();
    let store = data_dir.join("store");
    std::os::unix::fs::symlink(&outside, store.join("directory")).unwrap();
    std::os::unix::fs::symlink(outside.join("shadow"), store.join("file")).unwrap();
    fs::hard_link(outside.join("shadow"), store.join("second-name")).unwrap();
    assert!(Command::new("chown").args(["-hR", "51234:51234"]).arg(&data_dir).status().unwrap().success());
    std::os::unix::fs::chown(outside.join("shadow"), Some(0), Some(0)).unwrap();
    run(&data_dir, &["upgrade-check"]).ok();
    run(&data_dir, &["backup", home.path().join("x.backup").to_str().unwrap()]).ok();
    let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs::symlink_metadata(path).unwrap());
    assert_eq!((owner(&outside), owner(&outside.join("shadow"))), (0, 0));
    assert_eq!(owner(&store.join("db")), 51_234);
}
