//! What is wrong with a certificate is looked at over loopback, with a server of the test's own that shows it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::world::{Examined, doctor};

/// Answers as Hearth does to the doctor's question, with a certificate like this. Tells the port.
pub async fn show(names: &[&str], first_day: i64, last_day: i64) -> u16 {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let now = i64::try_from(hearth::clock::Timestamp::now().as_secs()).unwrap();
    let day = |day: i64| time::OffsetDateTime::from_unix_timestamp(now + day * 86_400).unwrap();
    (parameters.not_before, parameters.not_after) = (day(first_day), day(last_day));
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"needsSetup\":false}").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

/// What the doctor says of the certificate that is shown at this port, for this public name.
pub async fn judged(name: &str, port: u16) -> BTreeMap<String, (String, String)> {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("hearth.toml");
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    std::fs::write(
        &config,
        format!("[server]\nlisten = [\"{at}\"]\npublic_url = \"https://{name}:{port}\"\n[relay]\nenabled = false\n"),
    )
    .unwrap();
    let data = dir.path().join("data");
    let examined = tokio::task::spawn_blocking(move || Examined::read(&doctor(&config, &data).arg("--json").output().unwrap()))
        .await
        .unwrap();
    examined.findings.into_iter().filter(|(check, _)| check.starts_with("certificate_")).collect()
}
