//! Somebody who speaks to the server over HTTP.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{TestServer, document};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// The stable code of an error.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// Insists on this failure.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.body);
        assert!(self.body["error"]["message"].as_str().is_some_and(|message| message.ends_with('.')), "{}", self.body);
        self
    }
}

/// Somebody, signed in or not.
#[derive(Clone)]
pub struct Person {
    pub client: Client,
    pub base: String,
    pub token: Option<String>,
    pub id: String,
}

impl Person {
    /// Somebody without an account.
    pub fn guest(server: &TestServer) -> Self {
        // Another test may have done it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = reqwest::Certificate::from_pem(server.certificate().as_bytes()).unwrap();
        let client = Client::builder()
            .tls_certs_only([certificate])
            .resolve(&server.name, server.socket_address())
            .cookie_store(true)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { client, base: server.address.clone(), token: None, id: String::new() }
    }

    /// The first admin.
    pub async fn admin(server: &TestServer) -> Self {
        let mut person = Self::guest(server);
        let token = server.setup_token.as_deref().expect("the server has no admin yet");
        let body =
            json!({"token": token, "email": "admin@example.org", "name": "Ada Admin", "password": "correct horse battery"});
        let signed_in = person.post("/api/setup", &body).await.ok();
        person.remember(&signed_in);
        person
    }

    /// Somebody who has just registered as `NAME@example.org`.
    pub async fn member(server: &TestServer, name: &str) -> Self {
        let mut person = Self::guest(server);
        let email = format!("{}@example.org", name.to_lowercase());
        let body = json!({"email": email, "name": name, "password": format!("{name} keeps secrets")});
        let signed_in = person.post("/api/auth/register", &body).await.ok();
        person.remember(&signed_in);
        person
    }

    fn remember(&mut self, signed_in: &Value) {
        self.token = Some(signed_in["accessToken"].as_str().unwrap().to_owned());
        self.id = signed_in["user"]["id"].as_str().unwrap().to_owned();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string().into_bytes())).await
    }

    pub async fn post_empty(&self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Any request at all.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
        }
        if let Some(token) = &self.token
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let answer = Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) };
        document::must_allow(&method, path, status.as_u16(), answer.code());
        answer
    }

    /// Creates a meeting and tells its code.
    pub async fn create(&self, title: &str, settings: Value) -> String {
        let body = json!({"title": title, "settings": settings});
        let created = self.post("/api/meetings/create", &body).await.ok();
        created["meeting"]["roomId"].as_str().unwrap().to_owned()
    }

    /// Joins a meeting and gives the answer.
    pub async fn join(&self, room: &str, name: &str) -> Answer {
        self.post("/api/meetings/join", &json!({"roomId": room, "displayName": name})).await
    }
}
