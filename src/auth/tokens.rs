//! Signed tokens (JWT, RFC 7519) of three kinds, none of which passes for another.
//!
//! All are HS256: this one program both signs and verifies, so a symmetric key leaves nothing out, is the fastest, and there is
//! no public key that an attacker could pass off as a secret. Each kind has its own key, `typ` (RFC 8725 §3.11) and audience.
//!
//! A header must be, field for field, the one that we write: `jku`, `jwk`, `x5u` or `crit` are never looked at, and `kid` only
//! has to be ours. Claims are typed and closed: an `exp` that is text or a fraction is an error and not "absent". The time to
//! judge by is passed in, and no token lives longer than it was made for, since there is only one clock; when that was set back, what
//! was signed before is void.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::{Key, KeyError, fingerprint};
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, RoomId, Secret, SessionId, UserId, random_bytes};

/// No token of ours is longer, by far. What is longer is not even decoded.
const MAX_TOKEN_BYTES: usize = 4096;
/// By how much a clock may be set back before what was signed until then is void. Clocks are corrected by seconds every day.
const CORRECTION: Duration = Duration::from_secs(60);

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours, not of this kind, or altered.
    #[error("This token is not valid. Sign in or join again.")]
    Invalid,
    /// Ours, and its time is over.
    #[error("This token has expired. Sign in or join again.")]
    Expired,
}

/// Whose seat it is in which meeting, as tickets and resume tokens carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatClaims {
    /// The meeting.
    pub room: RoomId,
    /// The seat.
    pub participant: ParticipantId,
    /// The account; none for a guest.
    pub user: Option<UserId>,
    /// The name that others see.
    pub name: String,
    /// Whether the seat is the host's.
    pub host: bool,
}

/// What an access token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccessClaims {
    pub(super) user: UserId,
    pub(super) session: SessionId,
}

/// What is told apart by `typ` and audience.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    audience: &'static str,
    typ: &'static str,
}

/// Signs and verifies access tokens.
pub(super) struct AccessTokens(Signer);

impl AccessTokens {
    pub(super) fn new(issuer: &str, key: &Key, lifetime: Duration) -> Self {
        let kind = Kind { name: "access", audience: "hearth-api", typ: "at+jwt" };
        Self(Signer::new(kind, issuer, key, lifetime))
    }

    /// `role` is for the page to read; what a caller may do is asked of the store each time.
    pub(super) fn issue(&self, claims: AccessClaims, role: &str, now: Timestamp) -> Secret<String> {
        let Stamp { iss, aud, iat, exp, jti } = self.0.stamp(now);
        let (sub, sid) = (claims.user.to_string(), claims.session.to_string());
        self.0.sign(&AccessBody { iss, aud, sub, sid, role: role.to_owned(), iat, exp, jti })
    }

    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        let body: AccessBody = self.0.verify(token)?;
        self.0.in_time(body.exp, now)?;
        let user = body.sub.parse().map_err(|_| TokenError::Invalid)?;
        let session = body.sid.parse().map_err(|_| TokenError::Invalid)?;
        Ok(AccessClaims { user, session })
    }

    /// Proves at start-up that signing works, so that a build without it does not fail at the first sign-in.
    pub(super) fn self_test(&self) -> Result<(), KeyError> {
        let claims = AccessClaims { user: UserId::random(), session: SessionId::random() };
        let now = Timestamp::from_millis(1);
        self.0.tested(self.verify(self.issue(claims, "member", now).expose(), now) == Ok(claims))
    }
}

/// Signs and verifies tokens for a seat: join tickets and resume tokens.
pub(super) struct SeatTokens(Signer);

impl SeatTokens {
    /// Tickets: handed out by join, presented as the first message over the socket.
    pub(super) fn tickets(issuer: &str, key: &Key, lifetime: Duration) -> Self {
        let kind = Kind { name: "ticket", audience: "hearth-join", typ: "join+jwt" };
        Self(Signer::new(kind, issuer, key, lifetime))
    }

    /// Resume tokens: handed out over the socket, presented by who lost it.
    pub(super) fn resume(issuer: &str, key: &Key, lifetime: Duration) -> Self {
        let kind = Kind { name: "resume", audience: "hearth-resume", typ: "resume+jwt" };
        Self(Signer::new(kind, issuer, key, lifetime))
    }

    pub(super) fn issue(&self, claims: &SeatClaims, now: Timestamp) -> Secret<String> {
        let Stamp { iss, aud, iat, exp, jti } = self.0.stamp(now);
        self.0.sign(&SeatBody {
            iss,
            aud,
            sub: claims.participant.to_string(),
            room: claims.room.to_string(),
            user: claims.user.map(|user| user.to_string()),
            name: claims.name.clone(),
            host: claims.host,
            iat,
            exp,
            jti,
        })
    }

    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<SeatClaims, TokenError> {
        let body: SeatBody = self.0.verify(token)?;
        self.0.in_time(body.exp, now)?;
        Ok(SeatClaims {
            room: body.room.parse().map_err(|_| TokenError::Invalid)?,
            participant: body.sub.parse().map_err(|_| TokenError::Invalid)?,
            user: body.user.map(|user| user.parse()).transpose().map_err(|_| TokenError::Invalid)?,
            name: body.name,
            host: body.host,
        })
    }

    /// As [`AccessTokens::self_test`].
    pub(super) fn self_test(&self) -> Result<(), KeyError> {
        let (room, participant) = (RoomId::random(), ParticipantId::random());
        let claims = SeatClaims { room, participant, user: None, name: String::from("Ada"), host: false };
        let now = Timestamp::from_millis(1);
        self.0.tested(self.verify(self.issue(&claims, now).expose(), now) == Ok(claims))
    }
}

/// The claims that every kind has, but for whom it is about.
struct Stamp {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessBody {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    role: String,
    iat: u64,
    exp: u64,
    jti: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeatBody {
    iss: String,
    aud: String,
    sub: String,
    room: String,
    user: Option<String>,
    name: String,
    host: bool,
    iat: u64,
    exp: u64,
    jti: String,
}

/// One kind of token with its key.
struct Signer {
    kind: Kind,
    issuer: String,
    lifetime: Duration,
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Signer {
    fn new(kind: Kind, issuer: &str, key: &Key, lifetime: Duration) -> Self {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(kind.typ.to_owned());
        header.kid = Some(fingerprint(key));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&[kind.audience]);
        validation.set_issuer(&[issuer]);
        // The library would read the system's clock; `in_time` judges by the time passed in.
        validation.validate_exp = false;
        validation.leeway = 0;
        Self {
            kind,
            issuer: issuer.to_owned(),
            lifetime,
            header,
            encoding: EncodingKey::from_secret(key.expose()),
            decoding: DecodingKey::from_secret(key.expose()),
            validation,
        }
    }

    fn stamp(&self, now: Timestamp) -> Stamp {
        Stamp {
            iss: self.issuer.clone(),
            aud: self.kind.audience.to_owned(),
            iat: now.as_secs(),
            exp: now.plus(self.lifetime).as_secs(),
            jti: BASE64URL_NOPAD.encode(&random_bytes::<12>()),
        }
    }

    fn sign(&self, body: &impl Serialize) -> Secret<String> {
        let token = jsonwebtoken::encode(&self.header, body, &self.encoding);
        Secret::new(token.expect("the self-test at start-up proved that signing works"))
    }

    fn verify<B: DeserializeOwned>(&self, token: &str) -> Result<B, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let token = jsonwebtoken::decode::<B>(token, &self.decoding, &self.validation).map_err(|_| TokenError::Invalid)?;
        if token.header == self.header { Ok(token.claims) } else { Err(TokenError::Invalid) }
    }

    /// Whether a token that expires then is good at `now`. One that would be good for longer than any that is issued now comes from
    /// before the clock was set back, and nobody can say how old it is.
    fn in_time(&self, expires_at: u64, now: Timestamp) -> Result<(), TokenError> {
        let latest = now.plus(self.lifetime).plus(CORRECTION).as_secs();
        if (now.as_secs() + 1..=latest).contains(&expires_at) { Ok(()) } else { Err(TokenError::Expired) }
    }

    fn tested(&self, works: bool) -> Result<(), KeyError> {
        if works { Ok(()) } else { Err(KeyError::SelfTest(self.kind.name)) }
    }
}

#[cfg(test)]
#[path = "tests/tokens.rs"]
mod tests;
