import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { usePageHeading, useUi } from '../components/context';
import { type Problem, problemOf } from '../components/errors';
import { ErrorNote, Field } from '../components/Field';
import { Header } from '../components/Header';
import { DeviceSetup, Speaker } from '../components/DeviceSetup';
import { type Key, t } from '../i18n';
import { meetingPath } from '../router';
import type { PreJoin } from '../state/prejoin';
import type { MeetingPreview } from '../wire/MeetingPreview';

interface Properties {
  code: string;
  preJoin: PreJoin;
  join: () => Promise<void>;
}

/** The one screen before a meeting: how one will be seen and heard, and under which name. */
export function PreJoinView({ code, preJoin, join }: Properties): JSX.Element {
  const preview = preJoin.preview.value;
  const error = preJoin.error.value;
  const user = useUi().app.session.user.value;
  const closed = user === null && preview?.guestsAllowed === false;
  useEffect(() => void preJoin.load(), [preJoin]);
  return (
    <div class="page">
      <Header />
      {preview ? (
        <main class={closed ? 'content narrow entry' : 'content prejoin'}>
          {!closed && <DeviceSetup local={preJoin.local} />}
          <JoinForm code={code} preJoin={preJoin} preview={preview} join={join} />
        </main>
      ) : (
        <Looking failure={error} again={() => void preJoin.load()} />
      )}
    </div>
  );
}

/** Why there is no meeting to show. The first two stay so, however often one tries. */
type Unseen = 'notFound' | 'ended' | 'tooMany' | 'outOfReach';

const UNSEEN_TITLES = {
  notFound: 'prejoin.notFound',
  ended: 'ended.title',
  tooMany: 'prejoin.tooMany',
  outOfReach: 'prejoin.outOfReach',
} as const satisfies Record<Unseen, Key>;

function unseen({ status }: { readonly status: number }): Unseen {
  switch (status) {
    case 404:
      return 'notFound';
    case 410:
      return 'ended';
    case 429:
      return 'tooMany';
    default:
      return 'outOfReach';
  }
}

interface Failure {
  readonly status: number;
  readonly message: string;
}

function Looking({ failure, again }: { failure: Failure | null; again: () => void }): JSX.Element {
  const why = failure && unseen(failure);
  const title = t(why ? UNSEEN_TITLES[why] : 'prejoin.loading');
  const heading = usePageHeading(title);
  const passing = why === 'tooMany' || why === 'outOfReach';
  return (
    <main class="content centre stack loose">
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      <p class="soft" role="status">
        {why === 'ended' ? t('prejoin.ended') : failure?.message}
      </p>
      {why && (
        <div class="buttons">
          {passing && (
            <button type="button" class="button" onClick={again}>
              {t('app.tryAgain')}
            </button>
          )}
          <a class="button primary" href="/">
            {t('left.home')}
          </a>
        </div>
      )}
    </main>
  );
}

function JoinForm({ code, preJoin, preview, join }: Properties & { preview: MeetingPreview }): JSX.Element {
  const heading = usePageHeading(preview.title);
  const form = useRef<HTMLFormElement>(null);
  const problem = useSignal<Problem | null>(null);
  const user = useUi().app.session.user.value;
  const focusName = (): void => {
    const field = form.current?.elements.namedItem('displayName');
    if (field instanceof HTMLElement) field.focus();
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (preJoin.joining.peek()) return;
    problem.value = preJoin.name.peek().trim() === '' ? { message: t('field.missing'), field: 'displayName' } : null;
    if (problem.value) {
      focusName();
      return;
    }
    join().catch((error: unknown) => {
      problem.value = problemOf(error, t('app.unexpected'));
      if (problem.value.field === 'displayName') focusName();
    });
  };
  const atName = problem.value?.field === 'displayName';
  return (
    <form class="stack loose" ref={form} onSubmit={submit} noValidate>
      <div class="stack tight">
        <p class="soft small">{t('prejoin.title')}</p>
        <h1 ref={heading} tabIndex={-1}>
          {preview.title}
        </h1>
        <p class="soft">
          {t('prejoin.hostedBy', { name: preview.hostName })}. {t(preview.status === 'active' ? 'prejoin.active' : 'prejoin.waiting')}
        </p>
      </div>
      {user === null && !preview.guestsAllowed ? (
        <MembersOnly code={code} />
      ) : (
        <>
          <Field
            name="displayName"
            label={t('prejoin.name')}
            autocomplete="name"
            maxLength={60}
            value={preJoin.name.value}
            error={atName ? problem.value?.message : undefined}
            onInput={(name) => {
              preJoin.name.value = name;
            }}
          />
          <Speaker local={preJoin.local} />
          <ErrorNote message={atName ? undefined : problem.value?.message} />
          <button type="submit" class="button primary large wide" disabled={preJoin.joining.value}>
            {t(preJoin.joining.value ? 'prejoin.joining' : 'prejoin.join')}
          </button>
          {user === null && <SignInInstead code={code} />}
        </>
      )}
    </form>
  );
}

function MembersOnly({ code }: { code: string }): JSX.Element {
  return (
    <div class="stack">
      <div class="note">{t('prejoin.membersOnly')}</div>
      <a class="button primary large" href={signInPath(code)}>
        {t('app.signIn')}
      </a>
    </div>
  );
}

function SignInInstead({ code }: { code: string }): JSX.Element {
  return (
    <p class="aside soft">
      {t('prejoin.signInInstead')} <a href={signInPath(code)}>{t('app.signIn')}</a>
    </p>
  );
}

function signInPath(code: string): string {
  return `/signin?next=${encodeURIComponent(meetingPath(code))}`;
}
