import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { Field } from '../../components/Field';
import { settings as words } from '../../i18n/settings';
import type { OtherIceServer } from '../../wire/OtherIceServer';

const t = words.words;

/** What the server says in the place of a password or a secret. Sent back, it means what was there. */
const HIDDEN = '(hidden)';

interface Properties {
  readonly servers: readonly OtherIceServer[];
  readonly fixed: boolean;
  edit(servers: readonly OtherIceServer[]): void;
}

/** The STUN and TURN servers of others. */
export function IceServers({ servers, fixed, edit }: Properties): JSX.Element {
  const replace = (index: number, server: OtherIceServer | null): void => {
    edit(servers.flatMap((one, at) => (at === index ? (server ?? []) : one)));
  };
  return (
    <div class="stack tight">
      {servers.length === 0 && <p class="soft">{t('ice.none')}</p>}
      {servers.map((server, index) => (
        <fieldset key={`${index}/${servers.length}`} class="server-entry" disabled={fixed}>
          <legend class="legend">{t('ice.server', { number: index + 1 })}</legend>
          <Server server={server} change={(changed) => replace(index, changed)} />
          {!fixed && (
            <button type="button" class="button" onClick={() => replace(index, null)}>
              {t('ice.remove')}
            </button>
          )}
        </fieldset>
      ))}
      {!fixed && (
        <div class="buttons">
          <button type="button" class="button" onClick={() => edit([...servers, { urls: [] }])}>
            {t('ice.add')}
          </button>
        </div>
      )}
    </div>
  );
}

type Access = 'open' | 'password' | 'secret';

function accessOf({ username, password, passwordFile, secret, secretFile }: OtherIceServer): Access {
  if (secret !== undefined || secretFile !== undefined) return 'secret';
  return username !== undefined || password !== undefined || passwordFile !== undefined ? 'password' : 'open';
}

function Server({ server, change }: { server: OtherIceServer; change: (server: OtherIceServer) => void }): JSX.Element {
  const id = useId();
  const access = accessOf(server);
  const { urls } = server;
  const lines = useSignal(urls.join('\n'));
  const open = (wanted: Access): OtherIceServer => {
    if (wanted === 'password') return { urls, username: '', password: '' };
    return wanted === 'secret' ? { urls, secret: '' } : { urls };
  };
  return (
    <>
      <div class="field">
        <label for={`${id}-urls`}>{t('ice.urls')}</label>
        <textarea
          id={`${id}-urls`}
          class="input"
          value={lines.value}
          spellcheck={false}
          onInput={(event) => {
            lines.value = event.currentTarget.value;
            change({ ...server, urls: lines.value.split(/\s+/).filter((url) => url !== '') });
          }}
        />
        <p class="hint">{t('ice.urlsHint')}</p>
      </div>
      <div class="field">
        <label for={`${id}-access`}>{t('ice.access')}</label>
        <select id={`${id}-access`} class="select" value={access} onChange={(event) => change(open(event.currentTarget.value as Access))}>
          <option value="open">{t('ice.open')}</option>
          <option value="password">{t('ice.password')}</option>
          <option value="secret">{t('ice.secret')}</option>
        </select>
      </div>
      {access === 'password' && (
        <>
          <Field name="username" label={t('ice.username')} value={server.username ?? ''} autocomplete="off" onInput={(username) => change({ ...server, username })} />
          <Confidential label={t('ice.passwordLabel')} value={server.password} change={(password) => change({ ...server, password })} />
        </>
      )}
      {access === 'secret' && (
        <>
          <Confidential label={t('ice.secretLabel')} value={server.secret} change={(secret) => change({ ...server, secret })} />
          <Field
            name="ttl"
            label={t('ice.ttl')}
            value={server.ttlSeconds === undefined ? '' : String(server.ttlSeconds)}
            placeholder="3600"
            autocomplete="off"
            onInput={(text) => change(withTtl(server, text))}
          />
        </>
      )}
    </>
  );
}

function withTtl({ ttlSeconds: _, ...server }: OtherIceServer, text: string): OtherIceServer {
  return /^\d{1,9}$/.test(text.trim()) ? { ...server, ttlSeconds: Number(text) } : server;
}

/** What is not shown stays unless something else is written. */
function Confidential({ label, value, change }: { label: string; value: string | undefined; change: (value: string) => void }): JSX.Element {
  const kept = value === HIDDEN;
  return (
    <Field
      name="confidential"
      type="password"
      label={label}
      value={kept ? '' : (value ?? '')}
      hint={kept ? t('ice.kept') : undefined}
      autocomplete="off"
      onInput={(text) => change(text === '' && kept ? HIDDEN : text)}
    />
  );
}
