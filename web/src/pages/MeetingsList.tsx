import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useUi } from '../components/context';
import { CopyLink, meetingLink } from '../components/CopyLink';
import { Confirm } from '../components/Dialog';
import { ErrorNote } from '../components/Field';
import { count, dateTime, t } from '../i18n';
import { meetingPath } from '../router';
import type { Meetings } from '../state/meetings';
import type { Meeting } from '../wire/Meeting';

/** One's own meetings, newest first. */
export function MeetingsList({ meetings }: { meetings: Meetings }): JSX.Element {
  const asked = useSignal<{ readonly what: 'end' | 'delete'; readonly meeting: Meeting } | null>(null);
  const list = meetings.list.value;
  const error = meetings.error.value;
  const close = (): void => {
    asked.value = null;
  };
  return (
    <section class="whole" aria-labelledby="your-meetings">
      <div class="section-head">
        <h2 id="your-meetings">{t('home.yourMeetings')}</h2>
      </div>
      <ErrorNote message={error?.message} />
      {error && (
        <button type="button" class="button" onClick={() => void meetings.load()}>
          {t('app.tryAgain')}
        </button>
      )}
      {!list && !error && (
        <p class="soft" role="status">
          {t('home.loadingMeetings')}
        </p>
      )}
      {list?.length === 0 && <p class="empty">{t('home.noMeetings')}</p>}
      <ul class="meetings">
        {list?.map((meeting) => (
          <Row
            key={meeting.roomId}
            meeting={meeting}
            ask={(what) => {
              asked.value = { what, meeting };
            }}
          />
        ))}
      </ul>
      {asked.value?.what === 'end' && <EndQuestion meetings={meetings} meeting={asked.value.meeting} close={close} />}
      {asked.value?.what === 'delete' && <DeleteQuestion meetings={meetings} meeting={asked.value.meeting} close={close} />}
    </section>
  );
}

function Row({ meeting, ask }: { meeting: Meeting; ask: (what: 'end' | 'delete') => void }): JSX.Element {
  const { router } = useUi();
  const { title, status } = meeting;
  const over = status === 'ended';
  const labelled = (action: string): string => t('meeting.actionsFor', { action, title });
  const start = t(status === 'active' ? 'meeting.join' : 'home.start');
  return (
    <li class="meeting-row">
      <div class="about">
        <h3>{title}</h3>
        <p class="facts">
          <span class="status" data-status={status}>
            {t(`meeting.status.${status}`)}
          </span>
          {status === 'active' && <span>{count('meeting.people', meeting.participantCount)}</span>}
          <span>{meeting.endedAt ? t('meeting.endedAt', { when: dateTime(meeting.endedAt) }) : t('meeting.createdAt', { when: dateTime(meeting.createdAt) })}</span>
          {!over && <span class="code">{meeting.roomId}</span>}
        </p>
      </div>
      <div class="buttons">
        {!over && (
          <button type="button" class="button" aria-label={labelled(start)} onClick={() => router.go(meetingPath(meeting.roomId))}>
            {start}
          </button>
        )}
        {!over && <CopyLink link={meetingLink(meeting.roomId)} look="plain" describe={labelled(t('app.copyLink'))} />}
        {status === 'active' && (
          <button type="button" class="button plain" aria-label={labelled(t('meeting.end'))} onClick={() => ask('end')}>
            {t('meeting.end')}
          </button>
        )}
        <button type="button" class="button plain bad" aria-label={labelled(t('meeting.delete'))} onClick={() => ask('delete')}>
          {t('meeting.delete')}
        </button>
      </div>
    </li>
  );
}

interface QuestionProperties {
  meetings: Meetings;
  meeting: Meeting;
  close: () => void;
}

function EndQuestion({ meetings, meeting, close }: QuestionProperties): JSX.Element {
  return (
    <Confirm
      title={t('meeting.endQuestion', { title: meeting.title })}
      explained={t('meeting.endExplained')}
      confirm={t('meeting.endConfirm')}
      act={() => meetings.end(meeting.roomId)}
      onClose={close}
    />
  );
}

function DeleteQuestion({ meetings, meeting, close }: QuestionProperties): JSX.Element {
  return (
    <Confirm
      title={t('meeting.deleteQuestion', { title: meeting.title })}
      explained={t('meeting.deleteExplained')}
      confirm={t('meeting.deleteConfirm')}
      act={() => meetings.remove(meeting.roomId)}
      onClose={close}
    />
  );
}
