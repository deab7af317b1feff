import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';
import { FieldError } from '../../components/Field';
import { FixedNote } from '../../components/FixedNote';
import { CHOICES, SETTING_NAMES, settings as words, told } from '../../i18n/settings';
import { isFixed, kindOf, type SettingsEditor } from '../../state/settings';
import type { SettingInfo } from '../../wire/SettingInfo';
import { IceServers } from './IceServers';

const t = words.words;

interface Properties {
  readonly editor: SettingsEditor;
  readonly setting: SettingInfo;
}

/** One setting: its field, what it is for, what is wrong with it, and who decided it. */
export function SettingField({ editor, setting }: Properties): JSX.Element {
  const id = useId();
  const { key, doc, live, origin } = setting;
  const fixed = isFixed(setting);
  const problem = editor.problem(key);
  const name = SETTING_NAMES[key] ?? key;
  return (
    <div class="setting field">
      <Control id={id} name={name} editor={editor} setting={setting} fixed={fixed} invalid={problem !== undefined} />
      <FieldError id={`${id}-error`} error={problem} />
      <p class="hint" id={`${id}-hint`}>
        {key === 'ice.servers' ? t('ice.intro') : doc}
      </p>
      <FixedNote origin={origin} />
      {!live && <p class="aside-note">{t('settings.restart')}</p>}
      {origin === 'browser' && (
        <button type="button" class="button plain" onClick={() => editor.edit(key, null)}>
          {t('settings.usual', { usual: told(key, setting.default) })}
        </button>
      )}
    </div>
  );
}

interface ControlProperties extends Properties {
  readonly id: string;
  readonly name: string;
  readonly fixed: boolean;
  readonly invalid: boolean;
}

function Control({ id, name, editor, setting, fixed, invalid }: ControlProperties): JSX.Element {
  const { key } = setting;
  const draft = editor.shown(setting);
  const described = { 'aria-invalid': invalid, 'aria-describedby': `${id}-error ${id}-hint` };
  if (typeof draft === 'boolean') {
    return (
      <label class="check">
        <input type="checkbox" checked={draft} disabled={fixed} {...described} onChange={(event) => editor.edit(key, event.currentTarget.checked)} />
        {name}
      </label>
    );
  }
  if (typeof draft !== 'string') return <IceServers servers={draft} fixed={fixed} edit={(servers) => editor.edit(key, servers)} />;
  const choices = CHOICES[key];
  if (choices) {
    return (
      <Labelled id={id} name={name}>
        <select id={id} class="select" value={draft} disabled={fixed} {...described} onChange={(event) => editor.edit(key, event.currentTarget.value)}>
          {choices.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </Labelled>
    );
  }
  if (kindOf(setting) === 'list') {
    return (
      <Labelled id={id} name={name}>
        <textarea id={id} class="input" value={draft} disabled={fixed} spellcheck={false} {...described} onInput={(event) => editor.edit(key, event.currentTarget.value)} />
      </Labelled>
    );
  }
  return (
    <Labelled id={id} name={name}>
      <input
        id={id}
        class="input"
        value={draft}
        disabled={fixed}
        inputMode={kindOf(setting) === 'number' ? 'numeric' : 'text'}
        autocomplete="off"
        spellcheck={false}
        placeholder={told(key, setting.default)}
        {...described}
        onInput={(event) => editor.edit(key, event.currentTarget.value)}
      />
    </Labelled>
  );
}

function Labelled({ id, name, children }: { id: string; name: string; children: ComponentChildren }): JSX.Element {
  return (
    <>
      <label for={id}>{name}</label>
      {children}
    </>
  );
}
