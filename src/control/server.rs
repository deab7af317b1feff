//! The server's side.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Address, MAX_LINE, Reply, Request};
use crate::lifecycle::Tasks;

/// Connections at a time.
const CONNECTIONS: usize = 4;
/// How long somebody may take to ask.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long somebody may take no bytes of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// After an error that concerns the socket itself, before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is given in answer.
#[derive(Debug)]
pub enum Given {
    /// These words.
    Words(Reply),
    /// A backup, from its first byte on.
    Backup(File),
}

/// An answer to come.
pub type BoxedAnswer = Pin<Box<dyn Future<Output = Given> + Send>>;

/// Whoever knows the answers.
pub trait Answerer: Send + Sync + 'static {
    /// Answers one question.
    fn answer(&self, request: Request) -> BoxedAnswer;
}

/// The socket, bound and not yet served.
#[derive(Debug)]
pub struct ControlSocket(UnixListener);

impl ControlSocket {
    /// Binds the socket in a data directory that this process has claimed, in place of one that a killed server left behind. Must be
    /// called inside the runtime.
    ///
    /// # Errors
    /// When the file system has no sockets, for example. The server can do without.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let address = Address::of(data_dir)?;
        match fs::remove_file(&address.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&address.path)?;
        fs::set_permissions(&address.path, Permissions::from_mode(0o600))?;
        Ok(Self(listener))
    }

    /// Answers until the program stops.
    pub async fn serve(self, answerer: Arc<dyn Answerer>, tasks: Tasks) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = tasks.stopping() => return,
                accepted = self.0.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if !stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid())) {
                tracing::warn!("somebody who is neither the server's user nor root was refused at the control socket");
                continue;
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (answerer, stop) = (Arc::clone(&answerer), tasks.clone());
            tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    () = stop.stopping() => {}
                    served = serve_one(stream, &*answerer) => {
                        if let Err(error) = served {
                            tracing::debug!(%error, "a command went away before its answer");
                        }
                    }
                }
            });
        }
    }
}

fn may_ask(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

async fn serve_one(mut stream: UnixStream, answerer: &dyn Answerer) -> io::Result<()> {
    let mut line = String::new();
    let (reading, mut writing) = stream.split();
    let mut limited = BufReader::new(reading.take(MAX_LINE));
    tokio::time::timeout(QUESTION_TIMEOUT, limited.read_line(&mut line)).await??;
    let given = match serde_json::from_str(&line) {
        Ok(request) => answerer.answer(request).await,
        Err(_) => Given::Words(Reply::Refused { message: String::from("This Hearth doesn't know that question.") }),
    };
    match given {
        Given::Words(reply) => send(&mut writing, &reply).await,
        Given::Backup(file) => {
            let bytes = file.metadata()?.len();
            send(&mut writing, &Reply::Backup { bytes }).await?;
            let mut file = tokio::fs::File::from_std(file).take(bytes);
            let mut block = vec![0; 64 * 1024];
            loop {
                let length = file.read(&mut block).await?;
                if length == 0 {
                    return writing.shutdown().await;
                }
                tokio::time::timeout(STALL_TIMEOUT, writing.write_all(&block[..length])).await??;
            }
        }
    }
}

async fn send(writing: &mut (impl tokio::io::AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply).expect("a reply is words and numbers, which JSON can always write");
    line.push(b'\n');
    tokio::time::timeout(STALL_TIMEOUT, writing.write_all(&line)).await?
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::{AskError, Told, ask};
    use super::*;

    struct Known;

    impl Answerer for Known {
        fn answer(&self, request: Request) -> BoxedAnswer {
            Box::pin(async move {
                match request {
                    Request::SetupLink => Given::Words(Reply::SetupLink { links: Vec::new() }),
                    Request::Version => Given::Words(Reply::Version { version: String::from("9.9.9"), schema: 7 }),
                    Request::Backup => {
                        let mut file = tempfile::tempfile().unwrap();
                        file.write_all(b"all of it").unwrap();
                        io::Seek::rewind(&mut file).unwrap();
                        Given::Backup(file)
                    }
                }
            })
        }
    }

    fn serve(dir: &Path) -> Tasks {
        let tasks = Tasks::new();
        let socket = ControlSocket::bind(dir).unwrap();
        tasks.spawn(socket.serve(Arc::new(Known), tasks.clone()));
        tasks
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_running_server_is_asked_and_answers() {
        let home = tempfile::tempdir().unwrap();
        // A path that no address can hold, and what a killed server left behind.
        let dir = home.path().join("d".repeat(120));
        fs::create_dir(&dir).unwrap();
        drop(ControlSocket::bind(&dir).unwrap());
        assert!(matches!(ask(&dir, Request::Version), Err(AskError::Nobody)));
        let tasks = serve(&dir);
        let asked = dir.clone();
        tokio::task::spawn_blocking(move || {
            let Told::Words(reply) = ask(&asked, Request::Version).unwrap() else { panic!("words were asked for") };
            assert_eq!(reply, Reply::Version { version: String::from("9.9.9"), schema: 7 });
            let Told::Backup { bytes, mut stream } = ask(&asked, Request::Backup).unwrap() else {
                panic!("bytes were asked for")
            };
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            assert_eq!((bytes, got.as_str()), (9, "all of it"));
        })
        .await
        .unwrap();
        assert_eq!(fs::metadata(dir.join("control.sock")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(tasks.stop(std::future::pending()).await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nonsense_is_refused_and_silence_is_not_waited_for_at_a_stop() {
        let home = tempfile::tempdir().unwrap();
        let tasks = serve(home.path());
        let path = home.path().join("control.sock");
        let silent = UnixStream::connect(&path).await.unwrap();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"{\"request\":\"format the disk\"}\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("{\"reply\":\"refused\""), "{answer}");
        assert!(tasks.stop(std::future::pending()).await);
        drop(silent);
    }

    #[test]
    fn only_the_own_user_and_root_may_ask() {
        let own = rustix::process::geteuid().as_raw();
        assert!(may_ask(own) && may_ask(0));
        assert!(!may_ask(own + 12345));
    }
}
