//! Permissions as types: a handler that may only be reached by a host takes a [`HostOf`], and nobody else can make one.

use crate::ids::{RoomId, SessionId, UserId};
use crate::store::{AccountRole, User};

/// Somebody who is signed in. Only [`Auth::authenticate`](super::Auth::authenticate) makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    user: User,
    session: SessionId,
}

impl Caller {
    pub(super) const fn new(user: User, session: SessionId) -> Self {
        Self { user, session }
    }

    /// The account, as the store has it now.
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// The sign-in that the request came by.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The right to run the server, if the account has it now.
    pub fn as_admin(&self) -> Option<Admin> {
        match self.user.role {
            AccountRole::Admin => Some(Admin { user: self.user.id }),
            AccountRole::Member => None,
        }
    }

    /// The right to change, end or delete the meeting `room`, if its host is this account. To others the meeting is to be
    /// reported as not found, so that codes can't be tried out.
    pub fn as_host_of(&self, room: RoomId, host: UserId) -> Option<HostOf> {
        (host == self.user.id).then_some(HostOf { room, user: host })
    }
}

/// The right to run the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    user: UserId,
}

impl Admin {
    /// Whose right it is.
    pub const fn user(self) -> UserId {
        self.user
    }
}

/// The right to change, end or delete one meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostOf {
    room: RoomId,
    user: UserId,
}

impl HostOf {
    /// The meeting. Act on this one and on no other id of the request.
    pub const fn room(self) -> RoomId {
        self.room
    }

    /// Its host.
    pub const fn user(self) -> UserId {
        self.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::Secret;

    fn caller(role: AccountRole) -> Caller {
        let user = User {
            id: UserId::random(),
            email: "ada@example.org".into(),
            name: "Ada".into(),
            role,
            password_hash: Secret::new(String::new()),
            created_at: Timestamp::from_millis(0),
        };
        Caller::new(user, SessionId::random())
    }

    #[test]
    fn h3_only_the_host_gets_the_hosts_right_and_for_that_meeting_only() {
        let (room, host) = (RoomId::random(), caller(AccountRole::Member));
        let right = host.as_host_of(room, host.user().id).unwrap();
        assert_eq!((right.room(), right.user()), (room, host.user().id));
        assert_eq!(caller(AccountRole::Member).as_host_of(room, host.user().id), None);
        assert_eq!(caller(AccountRole::Admin).as_host_of(room, host.user().id), None, "an admin is nobody's host");
    }

    #[test]
    fn h18_only_admins_get_the_admins_right() {
        let admin = caller(AccountRole::Admin);
        assert_eq!(admin.as_admin().map(Admin::user), Some(admin.user().id));
        assert_eq!(caller(AccountRole::Member).as_admin(), None);
    }
}
