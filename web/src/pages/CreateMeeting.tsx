import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useUi } from '../components/context';
import { CopyLink, meetingLink } from '../components/CopyLink';
import { ErrorNote, Field } from '../components/Field';
import { useForm } from '../components/form';
import { ChevronIcon } from '../components/icons';
import { TitledForm } from '../components/TitledForm';
import { t } from '../i18n';
import { meetingPath } from '../router';
import type { Meetings } from '../state/meetings';
import type { Meeting } from '../wire/Meeting';

/** A form for a new meeting, and then its link. */
export function CreateMeeting({ meetings }: { meetings: Meetings }): JSX.Element {
  const created = useSignal<Meeting | null>(null);
  return (
    <section class="card inviting">
      {created.value ? (
        <Created
          meeting={created.value}
          another={() => {
            created.value = null;
          }}
        />
      ) : (
        <CreateForm
          meetings={meetings}
          done={(meeting) => {
            created.value = meeting;
          }}
        />
      )}
    </section>
  );
}

function CreateForm({ meetings, done }: { meetings: Meetings; done: (meeting: Meeting) => void }): JSX.Element {
  const guests = useSignal(true);
  const chat = useSignal(true);
  const form = useForm(['title'], async ({ title }) => {
    const settings = { guestsAllowed: guests.value, isChatEnabled: chat.value };
    done(await meetings.create({ title: title.trim(), settings }));
  });
  return (
    <TitledForm title={t('home.newMeeting')} form={form}>
      <Field
        name="title"
        label={t('home.meetingTitle')}
        placeholder={t('home.meetingTitlePlaceholder')}
        autocomplete="off"
        maxLength={120}
        error={form.errorOf('title')}
      />
      <details class="options">
        <summary>
          <ChevronIcon />
          {t('home.options')}
        </summary>
        <Check label={t('home.guestsAllowed')} value={guests} />
        <Check label={t('home.chatAllowed')} value={chat} />
      </details>
      <ErrorNote message={form.general} />
      <button type="submit" class="button primary" disabled={form.busy.value}>
        {t('home.create')}
      </button>
    </TitledForm>
  );
}

function Check({ label, value }: { label: string; value: { value: boolean } }): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.checked;
        }}
      />
      {label}
    </label>
  );
}

function Created({ meeting, another }: { meeting: Meeting; another: () => void }): JSX.Element {
  const { router } = useUi();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const link = meetingLink(meeting.roomId);
  return (
    <div class="stack">
      <h2 ref={heading} tabIndex={-1}>
        {t('home.created', { title: meeting.title })}
      </h2>
      <p class="soft">{t('home.createdHint')}</p>
      <p class="link-text">{link}</p>
      <div class="buttons">
        <button type="button" class="button primary" onClick={() => router.go(meetingPath(meeting.roomId))}>
          {t('home.start')}
        </button>
        <CopyLink link={link} />
        <button type="button" class="button plain" onClick={another}>
          {t('home.another')}
        </button>
      </div>
    </div>
  );
}
