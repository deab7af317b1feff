import '../../styles/settings.css';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { SettingsApi } from '../../api/settings';
import { AdminFrame } from '../../components/AdminFrame';
import { useOwned, useUi } from '../../components/context';
import { ErrorNote } from '../../components/Field';
import { WarningIcon } from '../../components/icons';
import { SETTING_NAMES, settings as words } from '../../i18n/settings';
import { SettingsEditor } from '../../state/settings';
import type { SettingInfo } from '../../wire/SettingInfo';
import { SettingField } from './SettingField';

const t = words.words;

/** The settings in the order in which people look for them. Whatever is in none of these comes last. */
const GROUPS = [
  { title: t('group.place'), keys: ['server.name', 'server.public_url'] },
  { title: t('group.certificate'), keys: ['tls.mode', 'tls.acme_contact'] },
  { title: t('group.accounts'), keys: ['accounts.registration'] },
  { title: t('group.meetings'), keys: ['meetings.max_participants', 'meetings.guests_allowed', 'meetings.resume_window_seconds', 'meetings.ping_timeout_seconds'] },
  {
    title: t('group.relay'),
    keys: [
      'relay.enabled',
      'relay.external_address',
      'relay.max_kbps',
      'relay.max_kbps_per_participant',
      'relay.max_kbps_per_allocation',
      'relay.max_allocations',
      'relay.max_allocations_per_address',
      'relay.credential_ttl_seconds',
    ],
  },
  { title: t('group.ice'), keys: ['ice.servers'] },
  {
    title: t('group.limits'),
    keys: [
      'limits.connections',
      'limits.connections_per_address',
      'limits.requests_per_minute',
      'limits.meetings_per_hour',
      'limits.registrations_per_hour',
      'limits.chat_lines_per_ten_seconds',
    ],
  },
] as const;

/** What administrators may change while the server runs. */
export function SettingsPage(): JSX.Element {
  return (
    <AdminFrame section="settings">
      <Settings />
    </AdminFrame>
  );
}

function Settings(): JSX.Element {
  const { app } = useUi();
  const editor = useOwned(() => new SettingsEditor(new SettingsApi(app.client)));
  useEffect(() => void editor.load(), [editor]);
  const reply = editor.reply.value;
  if (!reply) {
    const why = editor.error.value?.message;
    return why === undefined ? (
      <p class="soft" role="status">
        {t('settings.loading')}
      </p>
    ) : (
      <ErrorNote message={why} />
    );
  }
  return <SettingsForm editor={editor} all={reply.settings} waiting={reply.waiting} />;
}

interface Properties {
  readonly editor: SettingsEditor;
  readonly all: readonly SettingInfo[];
  readonly waiting: readonly string[];
}

function SettingsForm({ editor, all, waiting }: Properties): JSX.Element {
  const form = useRef<HTMLFormElement>(null);
  const { app } = useUi();
  const grouped: readonly string[] = GROUPS.flatMap(({ keys }) => [...keys]);
  const rest = all.filter(({ key }) => !grouped.includes(key)).map(({ key }) => key);
  const groups = [...GROUPS, { title: t('group.other'), keys: rest }];
  const save = async (): Promise<void> => {
    const taken = await editor.save();
    if (taken) void app.session.start();
    else form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  };
  return (
    <form
      class="stack"
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <p class="soft">{t('settings.intro')}</p>
      {waiting.length > 0 && (
        <p class="note warn" role="status">
          <WarningIcon />
          <span>{t('settings.waiting', { keys: waiting.map((key) => SETTING_NAMES[key] ?? key).join(', ') })}</span>
        </p>
      )}
      <div class="settings-groups">
        {groups.map(({ title, keys }) => (
          <Group key={title} title={title} editor={editor} settings={keys.flatMap((key) => all.find((one) => one.key === key) ?? [])} />
        ))}
      </div>
      <SaveBar editor={editor} shown={all.map(({ key }) => key)} />
    </form>
  );
}

function Group({ title, editor, settings }: { title: string; editor: SettingsEditor; settings: readonly SettingInfo[] }): JSX.Element | null {
  if (settings.length === 0) return null;
  return (
    <section class="card stack tight" aria-label={title}>
      <h2>{title}</h2>
      {settings.map((setting) => (
        <SettingField key={setting.key} editor={editor} setting={setting} />
      ))}
    </section>
  );
}

function SaveBar({ editor, shown }: { editor: SettingsEditor; shown: readonly string[] }): JSX.Element {
  const error = editor.error.value?.message;
  const others = editor.otherProblems(shown);
  const busy = editor.busy.value;
  const changed = editor.changed.value;
  return (
    <div class="save-bar">
      <button type="submit" class="button primary" disabled={busy || !changed}>
        {t(busy ? 'settings.saving' : 'settings.save')}
      </button>
      <p class="soft" role="status">
        {editor.saved.value ? t('settings.saved') : changed ? '' : t('settings.nothing')}
      </p>
      <ErrorNote message={error === undefined ? undefined : [error, ...others].join(' ')} />
    </div>
  );
}
