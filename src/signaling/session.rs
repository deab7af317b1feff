//! One socket's life: its first message takes a seat, then words go both ways until one side is done.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tungstenite::Message;
use tungstenite::error::{CapacityError, Error as SocketError};

use super::outcomes::Outcomes;
use super::pace::Pace;
use super::translate::{self, Request, Told};
use super::upgrade::Socket;
use super::{Context, farewell};
use crate::auth::SeatClaims;
use crate::clock::{Tick, Timestamp};
use crate::hub::{Delivery, Entry, HubError, Inbox, Seat, outbox};
use crate::ids::{Redacted, RoomId};
use crate::meeting::{CloseReason, Command, Event, Pass, Profile, Refusal, Role, Welcome};
use crate::wire::PROTOCOL_VERSION;
use crate::wire::error::ErrorDetail;
use crate::wire::signaling::{ClientMessage, RoomInfo, ServerMessage};

/// A socket must say who it is within this time.
const AUTH_DEADLINE: Duration = Duration::from_secs(5);
/// How often a client is asked whether it is still there until it counts as gone.
const PINGS: u32 = 3;
/// A socket that takes nothing for so long is given up.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Clients spread their return over a moment after this pause.
const RETRY_AFTER_MS: u32 = 1_000;

/// Why the server closes a socket. The codes stand in `PROTOCOL.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Left,
    Stopping,
    ProtocolError,
    NotText,
    NotUtf8,
    TooLong,
    TooManyMessages,
    TooSlow,
    NotAdmitted,
    Over,
    NoFirstMessage,
    Replaced,
    SeatGone,
    Full,
}

impl Closing {
    /// The code of the close frame.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Left => 1000,
            Self::Stopping => 1001,
            Self::ProtocolError => 1002,
            Self::NotText => 1003,
            Self::NotUtf8 => 1007,
            Self::TooManyMessages => 1008,
            Self::TooLong => 1009,
            Self::TooSlow => 1013,
            Self::NotAdmitted => 4401,
            Self::Over => 4404,
            Self::NoFirstMessage => 4408,
            Self::Replaced => 4409,
            Self::SeatGone => 4410,
            Self::Full => 4429,
        }
    }

    /// Whether what the client sends can't be read as messages any more.
    pub(super) const fn ends_reading(self) -> bool {
        matches!(self, Self::ProtocolError | Self::NotUtf8 | Self::TooLong)
    }
}

impl From<CloseReason> for Closing {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Left => Self::Left,
            CloseReason::Replaced => Self::Replaced,
            CloseReason::Ended => Self::Over,
        }
    }
}

/// The end of a session: with a close frame where there is still somebody to read it.
enum End {
    Close(Closing),
    Gone,
}

/// Serves one socket until it ends. The seat, if it got one, is then kept for the resume window by the room.
/// `seatless` is dropped as soon as it has one.
pub(super) async fn run(mut socket: Socket, context: Arc<Context>, authority: String, client: IpAddr, seatless: impl Send) {
    let (end, _seatless) = match admit(&mut socket, &context).await {
        Ok(admitted) => {
            drop(seatless);
            let settings = *context.settings.get();
            let (pace, chat_pace) = (Pace::of_messages(), Pace::of_chat(settings.chat_lines_per_ten_seconds));
            let (dead_after, outcomes) = (settings.ping_timeout, Outcomes::default());
            let session =
                Session { socket: &mut socket, context: &context, authority, admitted, pace, chat_pace, dead_after, outcomes };
            (session.run().await, None)
        }
        // Until it is gone, it counts as one that has put off taking a seat.
        Err(end) => (end, Some(seatless)),
    };
    if let End::Close(closing) = end {
        tracing::debug!(code = closing.code(), client = %Redacted(client), "socket closed");
        farewell::say(socket, closing).await;
    }
}

struct Admitted {
    claims: SeatClaims,
    room: RoomId,
    seat: Seat,
    inbox: Inbox,
}

/// Waits for the first message and takes the seat that it has a right to.
async fn admit(socket: &mut Socket, context: &Context) -> Result<Admitted, End> {
    let first = tokio::select! {
        first = timeout(AUTH_DEADLINE, next_message(socket)) => first.unwrap_or(Err(End::Close(Closing::NoFirstMessage)))?,
        () = context.tasks.stopping() => return Err(End::Close(Closing::Stopping)),
    };
    let now = Timestamp::now();
    let (claims, media, pass) = match first {
        Ok(ClientMessage::Join { ticket, media }) => (context.auth.verify_ticket(&ticket, now), media, Pass::Ticket),
        Ok(ClientMessage::Resume { resume_token, media }) => {
            (context.auth.verify_resume(&resume_token, now), media, Pass::Resume)
        }
        Ok(_) => {
            let error = translate::error(Refusal::NotSeated.code(), "The first message must be join or resume.");
            return Err(refuse(socket, error, Closing::NotAdmitted).await);
        }
        Err(error) => return Err(refuse(socket, error, Closing::NotAdmitted).await),
    };
    let Ok(claims) = claims else {
        let error = translate::error("not_admitted", "This ticket is not valid (any more). Join the meeting again.");
        return Err(refuse(socket, error, Closing::NotAdmitted).await);
    };
    let (outbox, inbox) = outbox();
    let role = if claims.host { Role::Host } else { Role::Participant };
    let profile = Profile { name: claims.name.clone(), user: claims.user, role };
    let entry = Entry { participant: claims.participant, profile, media: translate::media_in(media), pass, outbox };
    let room = claims.room;
    match context.hub.enter(room, entry).await {
        Ok(seat) => Ok(Admitted { claims, room, seat, inbox }),
        Err(error) => {
            let (code, closing) = refusal_to_enter(&error);
            Err(refuse(socket, translate::error(code, &error), closing).await)
        }
    }
}

const fn refusal_to_enter(error: &HubError) -> (&'static str, Closing) {
    match error {
        HubError::NotFound => ("meeting_not_found", Closing::Over),
        HubError::Ended => ("meeting_ended", Closing::Over),
        HubError::Refused(refusal) => {
            let closing = match refusal {
                Refusal::Full => Closing::Full,
                Refusal::MeetingEnded => Closing::Over,
                Refusal::SeatGone => Closing::SeatGone,
                Refusal::TicketUsed
                | Refusal::NotSeated
                | Refusal::AlreadySeated
                | Refusal::UnknownParticipant
                | Refusal::ParticipantAway
                | Refusal::ChatDisabled
                | Refusal::ScreenShareDisabled => Closing::NotAdmitted,
            };
            (refusal.code(), closing)
        }
        HubError::Store(_) => ("storage_unavailable", Closing::TooSlow),
        HubError::Stopping => ("server_restarting", Closing::Stopping),
    }
}

async fn refuse(socket: &mut Socket, error: ErrorDetail, closing: Closing) -> End {
    tracing::info!(event = "signaling_refused", code = %error.code, close_code = closing.code(), "a socket was refused");
    match send(socket, &ServerMessage::Error { error, chat_id: None }).await {
        Ok(()) => End::Close(closing),
        Err(end) => end,
    }
}

struct Session<'a> {
    socket: &'a mut Socket,
    context: &'a Context,
    authority: String,
    admitted: Admitted,
    pace: Pace,
    chat_pace: Pace,
    /// A client that was silent for so long is gone.
    dead_after: Duration,
    outcomes: Outcomes,
}

impl Session<'_> {
    async fn run(mut self) -> End {
        match self.converse().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(&mut self) -> Result<Infallible, End> {
        let mut pings = interval(self.dead_after / PINGS);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewals = interval(self.context.ice.renew_every());
        // The first tick of an interval comes at once, and the welcome has brought what it would bring.
        renewals.reset();
        let mut heard = Tick::now();
        let lagging = self.admitted.inbox.lagging();
        loop {
            tokio::select! {
                biased;
                () = lagging.cancelled() => return Err(End::Close(Closing::TooSlow)),
                () = self.context.tasks.stopping() => return Err(self.say_goodbye().await),
                delivery = self.admitted.inbox.next() => match delivery {
                    Some(Delivery::Event(event)) => self.tell(event).await?,
                    Some(Delivery::Close(reason)) => return Err(End::Close(reason.into())),
                    None => return Err(self.say_goodbye().await),
                },
                received = self.socket.next() => {
                    heard = Tick::now();
                    self.hear(parse(received)?).await?;
                }
                () = sleep(self.dead_after.saturating_sub(Tick::now().since(heard))) => return Err(End::Gone),
                _ = pings.tick() => write(self.socket, Message::Ping(Vec::new().into())).await?,
                _ = renewals.tick() => {
                    self.renew_ice_servers().await?;
                    // What was just handed out may be good for another time than what was before.
                    renewals.reset_after(self.context.ice.renew_every());
                }
            }
        }
    }

    async fn hear(&mut self, message: Option<Result<ClientMessage, ErrorDetail>>) -> Result<(), End> {
        if !self.pace.allow(Tick::now()) {
            return Err(self.refuse_flood().await);
        }
        match message {
            Some(Ok(message)) => self.obey(message).await,
            Some(Err(error)) => self.send(&ServerMessage::Error { error, chat_id: None }).await,
            None => Ok(()),
        }
    }

    /// Passes a client's wish on to the room, and the room's refusal back.
    async fn obey(&mut self, message: ClientMessage) -> Result<(), End> {
        let chat_id = if let ClientMessage::Chat { id, .. } = &message { Some(id.clone()) } else { None };
        let command = match translate::request(message) {
            Ok(Request::Command(Command::Chat { .. })) if !self.chat_pace.allow(Tick::now()) => {
                let error = translate::error("chat_too_fast", "You are writing too fast. Wait a moment and send it again.");
                return self.send(&ServerMessage::Error { error, chat_id }).await;
            }
            Ok(Request::Command(command)) => command,
            Ok(Request::Outcome(to, outcome)) => {
                if self.outcomes.is_new(to, outcome) {
                    self.context.hub.count_connection(outcome);
                }
                return Ok(());
            }
            Ok(Request::Ping) => {
                // A ping proves that the welcome was read, which is all that the room needs to know of it.
                let _ = self.admitted.seat.command(Command::Present).await;
                return self.send(&ServerMessage::Pong {}).await;
            }
            Err(bad) => {
                let error = translate::error(bad.code(), bad);
                return self.send(&ServerMessage::Error { error, chat_id }).await;
            }
        };
        match self.admitted.seat.command(command).await {
            Ok(()) => Ok(()),
            Err(refusal) => {
                let error = translate::error(refusal.code(), refusal);
                self.send(&ServerMessage::Error { error, chat_id }).await
            }
        }
    }

    async fn tell(&mut self, event: Event) -> Result<(), End> {
        let message = match translate::told(event) {
            Told::Welcome(welcome) => self.welcome(*welcome),
            Told::Message(message) => message,
        };
        self.send(&message).await
    }

    fn welcome(&self, welcome: Welcome) -> ServerMessage {
        let now = Timestamp::now();
        let meeting = self.admitted.seat.meeting();
        ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            participant_id: welcome.participant,
            resume_token: self.context.auth.issue_resume(&self.admitted.claims, now).expose().clone(),
            resume_window_ms: u32::try_from(self.admitted.seat.resume_window().as_millis()).unwrap_or(u32::MAX),
            resumed: welcome.resumed,
            meeting: RoomInfo {
                room_id: self.admitted.room,
                title: meeting.title.clone(),
                settings: translate::settings(&meeting.settings),
                started_at: welcome.started_at,
            },
            participants: welcome.participants.into_iter().map(translate::participant).collect(),
            settles_in_ms: welcome.settles_in_ms,
            chat: welcome.chat.into_iter().map(translate::chat_message).collect(),
            ice_servers: self.context.ice.servers_for(welcome.participant, &self.authority, now),
        }
    }

    /// Credentials for the relay end after a while; new ones go out in good time for those who stay longer (row T2).
    async fn renew_ice_servers(&mut self) -> Result<(), End> {
        let participant = self.admitted.claims.participant;
        let ice_servers = self.context.ice.servers_for(participant, &self.authority, Timestamp::now());
        self.send(&ServerMessage::IceServers { ice_servers }).await
    }

    async fn say_goodbye(&mut self) -> End {
        let message = ServerMessage::ServerRestart { retry_after_ms: RETRY_AFTER_MS };
        match timeout(farewell::DEADLINE, self.send(&message)).await {
            Ok(Ok(())) => End::Close(Closing::Stopping),
            Ok(Err(end)) => end,
            Err(_) => End::Gone,
        }
    }

    async fn refuse_flood(&mut self) -> End {
        let error = translate::error("too_many_messages", "Too many messages at once. Connect again and send fewer.");
        refuse(self.socket, error, Closing::TooManyMessages).await
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), End> {
        send(self.socket, message).await
    }
}

async fn send(socket: &mut Socket, message: &ServerMessage) -> Result<(), End> {
    let text = serde_json::to_string(message).expect("the wire's types have text keys and no failing serializer");
    write(socket, Message::Text(text.into())).await
}

async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, SinkExt::send(socket, message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

/// The next message that means something, or an error to tell the client.
async fn next_message(socket: &mut Socket) -> Result<Result<ClientMessage, ErrorDetail>, End> {
    loop {
        if let Some(message) = parse(socket.next().await)? {
            return Ok(message);
        }
    }
}

/// Reads one frame. `None` for those that only keep the socket alive.
fn parse(received: Option<Result<Message, SocketError>>) -> Result<Option<Result<ClientMessage, ErrorDetail>>, End> {
    match received {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Err(error)) => Err(broken(&error)),
        // The last kind is never read.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(End::Close(Closing::NotText)),
        Some(Ok(Message::Text(text))) => {
            Ok(Some(serde_json::from_str(&text).map_err(|error| {
                translate::error("invalid_message", format_args!("This is not a message of hearth.v1: {error}."))
            })))
        }
    }
}

/// What to say to a client that broke the rules of RFC 6455.
fn broken(error: &SocketError) -> End {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum; all its other errors mean that the socket is gone")]
    match error {
        SocketError::Capacity(CapacityError::MessageTooLong { .. }) => End::Close(Closing::TooLong),
        SocketError::Utf8(_) => End::Close(Closing::NotUtf8),
        SocketError::Protocol(_) => End::Close(Closing::ProtocolError),
        _ => End::Gone,
    }
}
