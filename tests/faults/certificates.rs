//! Certificate files that can't be read for a moment, though nobody has changed them.

use crate::harness::{Options, Person, TestServer, eventually};
use crate::tools::can_trace;

#[tokio::test]
async fn r7_certificate_files_that_no_descriptor_was_free_for_are_read_again_by_themselves() {
    if !can_trace() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([String::from("meet.hearth.test")]).unwrap();
    let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let trace = dir.path().join("trace");
    // At the start, and at the first look after it, when it has come to rest.
    let injection = "inject=openat:error=EMFILE:when=1..2";
    let run_by = [
        "strace",
        "-f",
        "-o",
        trace.to_str().unwrap(),
        "-P",
        certificate.to_str().unwrap(),
        "-e",
        "trace=openat",
        "-e",
        injection,
    ];
    let config = format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n");
    let server = TestServer::with(&Options { run_by: run_by.map(str::to_owned).to_vec(), config, ..Options::default() });
    assert!(server.log().contains("Too many open files"), "nothing was in the way");
    let ada = Person::admin(&server).await;
    let source = async || ada.get("/api/admin/status").await.ok()["certificate"]["source"].clone();
    eventually("the files serve", async || source().await == "files").await;
    assert_eq!(server.log().matches("Too many open files").count(), 1, "it is told once");
}
