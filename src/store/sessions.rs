//! Sign-ins. A refresh token is made from a sign-in and a generation by others; the store keeps the count (RFC 9700, section 4.14.2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::Fault;
use super::tables::{Changes, Table, Tables, damaged};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{SessionId, UserId};

/// One sign-in on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// How often its refresh token was exchanged; the token of this generation is the one to present next.
    pub generation: u64,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the token was last exchanged; the time of creation at first.
    pub rotated_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
}

/// How long things about a sign-in hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvanceRules {
    /// How long after an exchange the token before may come again, as it does from two tabs at once.
    pub grace: Duration,
    /// A sign-in that was not used for so long has expired.
    pub idle: Duration,
}

/// What became of a presented refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It was the current one; the session's generation is the new one.
    Advanced(Session),
    /// It was the one before, within the grace: the successor is the same as the first time.
    Repeated(Session),
    /// It was an old one: somebody has a copy. The sign-in was deleted.
    Reused {
        /// Whose it was.
        user: UserId,
    },
    /// There is no such sign-in, or it has expired.
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRecord {
    user: String,
    generation: u64,
    created_at: u64,
    rotated_at: u64,
    expires_at: u64,
}

impl Store {
    /// Keeps a sign-in.
    pub async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.write(move |_, changes| {
            changes.put_raw(Table::SessionsByUser, user_key(session.user, session.id), b"")?;
            put(changes, &session)
        })
        .await
    }

    /// The sign-in with this id, whether or not it has expired.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.read(move |tables| find(tables, id)).await
    }

    /// Takes the refresh token of generation `presented`, whose authenticity the caller has checked, in exchange for the next one.
    pub async fn advance_session(
        &self,
        id: SessionId,
        presented: u64,
        now: Timestamp,
        rules: AdvanceRules,
    ) -> Result<Advance, StoreError> {
        self.write(move |tables, changes| {
            let Some(session) = find(tables, id)? else { return Ok(Advance::Unknown) };
            if now >= session.expires_at || now.since(session.rotated_at) >= rules.idle {
                remove(changes, &session);
                return Ok(Advance::Unknown);
            }
            if presented == session.generation {
                let session = Session { generation: session.generation + 1, rotated_at: now, ..session };
                put(changes, &session)?;
                return Ok(Advance::Advanced(session));
            }
            // Both ways: after the clock was set back, nobody can say how long ago the exchange was.
            let apart = now.since(session.rotated_at).max(session.rotated_at.since(now));
            if presented.checked_add(1) == Some(session.generation) && apart <= rules.grace {
                return Ok(Advance::Repeated(session));
            }
            // An authentic token from the future means that this store was set back: the tokens before it count for nothing either.
            remove(changes, &session);
            Ok(if presented > session.generation { Advance::Unknown } else { Advance::Reused { user: session.user } })
        })
        .await
    }

    /// Ends a sign-in. False when there was none.
    pub async fn delete_session(&self, id: SessionId) -> Result<bool, StoreError> {
        self.write(move |tables, changes| {
            let Some(session) = find(tables, id)? else { return Ok(false) };
            remove(changes, &session);
            Ok(true)
        })
        .await
    }

    /// Ends every sign-in of an account and says how many there were.
    pub async fn delete_sessions_of(&self, user: UserId) -> Result<usize, StoreError> {
        self.write(move |tables, changes| {
            let mut count = 0;
            for entry in tables.scan(Table::SessionsByUser, user.as_bytes()) {
                let (key, _) = entry?;
                let Some(id) = key.last_chunk::<10>() else { return Err(damaged(Table::SessionsByUser, &key, Fault::Content)) };
                changes.remove(Table::Sessions, id.as_slice());
                changes.remove(Table::SessionsByUser, key);
                count += 1;
            }
            Ok(count)
        })
        .await
    }
}

fn user_key(user: UserId, session: SessionId) -> Vec<u8> {
    [*user.as_bytes(), *session.as_bytes()].concat()
}

fn put(changes: &mut Changes, session: &Session) -> Result<(), StoreError> {
    let record = SessionRecord {
        user: session.user.to_string(),
        generation: session.generation,
        created_at: session.created_at.as_millis(),
        rotated_at: session.rotated_at.as_millis(),
        expires_at: session.expires_at.as_millis(),
    };
    changes.put(Table::Sessions, session.id.as_bytes(), &record)
}

fn remove(changes: &mut Changes, session: &Session) {
    changes.remove(Table::Sessions, session.id.as_bytes());
    changes.remove(Table::SessionsByUser, user_key(session.user, session.id));
}

fn find(tables: &Tables, id: SessionId) -> Result<Option<Session>, StoreError> {
    let Some(record) = tables.get::<SessionRecord>(Table::Sessions, id.as_bytes())? else { return Ok(None) };
    let user = record.user.parse().map_err(|_| damaged(Table::Sessions, id.as_bytes(), Fault::Content))?;
    Ok(Some(Session {
        id,
        user,
        generation: record.generation,
        created_at: Timestamp::from_millis(record.created_at),
        rotated_at: Timestamp::from_millis(record.rotated_at),
        expires_at: Timestamp::from_millis(record.expires_at),
    }))
}
