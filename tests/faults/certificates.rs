//! Certificate files that can't be read for a moment, though nobody has changed them.

use std::process::Command;

use crate::harness::{Options, Person, TestServer, sooner_or_later, tracer_of};
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
    // From the start on, for every thread; without a filter in the kernel, which would go on without the tracer.
    let (to, only, fails) = (trace.to_str().unwrap(), certificate.to_str().unwrap(), "inject=openat:error=EMFILE");
    let run_by = ["strace", "-D", "-I2", "-f", "-qq", "-o", to, "-P", only, "-e", "trace=openat", "-e", fails];
    let config = format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n");
    let server = TestServer::with(&Options { run_by: run_by.map(str::to_owned).to_vec(), config, ..Options::default() });
    let refused = || std::fs::read_to_string(&trace).is_ok_and(|calls| calls.matches("(INJECTED)").count() > 2);
    sooner_or_later("the start, a look, and one more when the files had come to rest", async || refused()).await;
    let tracer = tracer_of(server.pid()).unwrap();
    assert!(Command::new("kill").args(["-INT", &tracer.to_string()]).status().unwrap().success());
    let ada = Person::admin(&server).await;
    let source = async || ada.get("/api/admin/status").await.ok()["certificate"]["source"].clone();
    sooner_or_later("the files serve", async || source().await == "files").await;
    assert_eq!(server.log().matches("Too many open files").count(), 1, "it is told once");
}
