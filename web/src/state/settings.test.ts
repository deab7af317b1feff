import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/error';
import type { SettingsApi } from '../api/settings';
import type { ChangeSettingsRequest } from '../wire/ChangeSettingsRequest';
import type { SettingInfo } from '../wire/SettingInfo';
import type { SettingsReply } from '../wire/SettingsReply';
import { SettingsEditor, isFixed, kindOf } from './settings';

const NAME: SettingInfo = { key: 'server.name', value: 'Hearth', default: 'Hearth', origin: 'default', live: true, doc: '' };
const PEOPLE: SettingInfo = { key: 'meetings.max_participants', value: 4, default: 6, origin: 'browser', live: true, doc: '' };
const GUESTS: SettingInfo = { key: 'meetings.guests_allowed', value: true, default: true, origin: 'default', live: true, doc: '' };
const URL: SettingInfo = { key: 'server.public_url', origin: 'default', live: true, doc: '' };
const ORIGINS: SettingInfo = { key: 'server.cors_origins', value: [], default: [], origin: 'default', live: true, doc: '' };
const SERVERS: SettingInfo = { key: 'ice.servers', origin: 'default', live: true, doc: '' };

class FakeSettings implements Pick<SettingsApi, 'read' | 'change'> {
  readonly sent: ChangeSettingsRequest[] = [];
  refusal: ApiError | null = null;
  readonly reply: SettingsReply = { settings: [NAME, PEOPLE, GUESTS, URL, ORIGINS, SERVERS], waiting: [] };

  async read(): Promise<SettingsReply> {
    return this.reply;
  }

  async change(request: ChangeSettingsRequest): Promise<SettingsReply> {
    this.sent.push(request);
    if (this.refusal) throw this.refusal;
    return this.reply;
  }
}

async function editing(): Promise<{ api: FakeSettings; editor: SettingsEditor }> {
  const api = new FakeSettings();
  const editor = new SettingsEditor(api as unknown as SettingsApi);
  await editor.load();
  return { api, editor };
}

describe('the settings of administrators', () => {
  it('knows what kind of field each has, though it has no value', () => {
    expect([NAME, PEOPLE, GUESTS, URL, ORIGINS, SERVERS].map(kindOf)).toEqual(['text', 'number', 'flag', 'text', 'list', 'servers']);
    expect(isFixed({ ...NAME, origin: 'file' }) && isFixed({ ...NAME, origin: 'environment' })).toBe(true);
    expect(isFixed(PEOPLE) || isFixed(NAME)).toBe(false);
  });

  it('sends what was changed and nothing else, each as its kind', async () => {
    const { api, editor } = await editing();
    expect(editor.changed.value).toBe(false);
    editor.edit('server.name', 'Hearth');
    expect(editor.changed.value, 'written again as it was').toBe(false);
    editor.edit('server.name', 'The Lodge');
    editor.edit('meetings.max_participants', '3');
    editor.edit('meetings.guests_allowed', false);
    editor.edit('server.cors_origins', 'https://a.example\n\n https://b.example ');
    editor.edit('ice.servers', [{ urls: ['stun:stun.example.org'] }]);
    expect(await editor.save()).toBe(true);
    expect(api.sent).toEqual([
      {
        changes: [
          { key: 'server.name', value: 'The Lodge' },
          { key: 'meetings.max_participants', value: 3 },
          { key: 'meetings.guests_allowed', value: false },
          { key: 'server.cors_origins', value: ['https://a.example', 'https://b.example'] },
          { key: 'ice.servers', value: [{ urls: ['stun:stun.example.org'] }] },
        ],
      },
    ]);
    expect([editor.saved.value, editor.changed.value]).toEqual([true, false]);
  });

  it('takes back what was set, and lets the server say what is wrong with a number', async () => {
    const { api, editor } = await editing();
    editor.edit('meetings.max_participants', null);
    expect(editor.shown(PEOPLE), 'the default shows at once').toBe('6');
    await editor.save();
    editor.edit('meetings.max_participants', 'many');
    await editor.save();
    editor.edit('server.public_url', ' ');
    expect(editor.shown(URL)).toBe(' ');
    expect(api.sent.map(({ changes }) => changes)).toEqual([
      [{ key: 'meetings.max_participants', value: null }],
      [{ key: 'meetings.max_participants', value: 'many' }],
    ]);
  });

  it('keeps what was written when it is refused, with all problems beside their settings', async () => {
    const { api, editor } = await editing();
    const problems = [
      { key: 'server.name', message: 'this is no name', mend: 'write another' },
      { key: 'server.name', message: 'nor is this', mend: 'write one' },
      { key: 'relay.ports', message: 'too few', mend: 'write more' },
    ];
    api.refusal = new ApiError({ code: 'invalid_settings', message: 'Nothing was changed.', problems }, 422);
    editor.edit('server.name', '');
    expect(await editor.save()).toBe(false);
    expect(editor.problem('server.name')).toBe('this is no name — write another. nor is this — write one.');
    expect(editor.otherProblems(['server.name'])).toEqual(['relay.ports: too few — write more.']);
    expect([editor.shown(NAME), editor.error.value?.message, editor.saved.value]).toEqual(['', 'Nothing was changed.', false]);
    api.refusal = null;
    editor.edit('server.name', 'Good');
    await editor.save();
    expect(editor.problem('server.name')).toBeUndefined();
  });
});
