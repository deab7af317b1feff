//! What people in a seat can ask for.

use super::Room;
use crate::clock::Now;
use crate::ids::{ConnectionId, ParticipantId};
use crate::meeting::event::{ChatMessage, CloseReason, Command, Event, LeaveReason, MediaState, Output, Refusal, Signal};
use crate::meeting::participant::Seat;

impl Room {
    /// Does what somebody in a seat wants.
    pub(super) fn command(&mut self, connection: ConnectionId, command: Command, now: Now) -> Result<(), Refusal> {
        let seat = self.seats.iter_mut().find(|seat| seat.connection() == Some(connection)).ok_or(Refusal::NotSeated)?;
        seat.confirm();
        let from = seat.id();
        match command {
            Command::Signal { to, signal } => self.signal(from, to, signal),
            Command::SetMedia(media) => self.set_media(from, media),
            Command::Chat { id, to, text } => self.write(connection, from, id, to, text, now),
            Command::Present => Ok(()),
            Command::Leave => {
                self.outputs.push_back(Output::Close { connection, reason: CloseReason::Left });
                self.vacate(from, Some(LeaveReason::Left), now);
                Ok(())
            }
        }
    }

    fn signal(&mut self, from: ParticipantId, to: ParticipantId, signal: Signal) -> Result<(), Refusal> {
        // A reserved seat counts as away and not as unknown: its person was let in and is about to come.
        let connection = self.peer(from, to)?.connection().ok_or(Refusal::ParticipantAway)?;
        self.deliver(connection, Event::Signal { from, signal });
        Ok(())
    }

    fn set_media(&mut self, from: ParticipantId, media: MediaState) -> Result<(), Refusal> {
        if media.screen && !self.settings.screen_share_enabled {
            return Err(Refusal::ScreenShareDisabled);
        }
        if self.seat_mut(from).is_some_and(|seat| seat.set_media(media)) {
            self.tell_others(from, &Event::Media(from, media));
        }
        Ok(())
    }

    fn write(
        &mut self,
        connection: ConnectionId,
        from: ParticipantId,
        id: String,
        to: Option<ParticipantId>,
        text: String,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.settings.chat_enabled {
            return Err(Refusal::ChatDisabled);
        }
        // Looked up before the addressee: a line that was taken is acknowledged again even if the addressee has left since.
        if let Some(first) = self.chat.find(from, &id).cloned() {
            self.deliver(connection, Event::Chat(first));
            return Ok(());
        }
        let addressee = to.map(|to| self.peer(from, to).map(Seat::connection)).transpose()?;
        let from_name = self.seat(from).map(|seat| seat.name().to_owned()).unwrap_or_default();
        let line = ChatMessage { id, from, from_name, to, text, sent_at: now.wall };
        self.chat.keep(line.clone());
        let event = Event::Chat(line);
        match addressee {
            None => self.tell_others(from, &event),
            Some(Some(peer)) => self.deliver(peer, event.clone()),
            // Lost at the moment: the line is kept and comes with the next welcome.
            Some(None) => {}
        }
        self.deliver(connection, event);
        Ok(())
    }
}
