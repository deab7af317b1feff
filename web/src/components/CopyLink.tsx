import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { t } from '../i18n';
import { CheckIcon, CopyIcon } from './icons';

const SHOWN_FOR_MS = 2_500;

/** Puts a link on the clipboard and says whether that worked. */
export function CopyLink({ link, look = '', describe }: { link: string; look?: string; describe?: string }): JSX.Element {
  const outcome = useSignal<'copied' | 'failed' | null>(null);
  useEffect(() => {
    if (outcome.value !== 'copied') return undefined;
    const timer = setTimeout(() => {
      outcome.value = null;
    }, SHOWN_FOR_MS);
    return () => clearTimeout(timer);
  }, [outcome.value]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link);
      outcome.value = 'copied';
    } catch {
      outcome.value = 'failed';
    }
  };
  const copied = outcome.value === 'copied';
  return (
    <>
      <button type="button" class={`button ${look}`} aria-label={describe ?? t('app.copyLink')} onClick={() => void copy()}>
        {copied ? <CheckIcon /> : <CopyIcon />}
        <span>{copied ? t('app.copied') : t('app.copyLink')}</span>
      </button>
      <span class={outcome.value === 'failed' ? 'hint' : 'hidden-visually'} role="status">
        {copied && t('app.copied')}
        {outcome.value === 'failed' && t('app.copyFailed')}
      </span>
    </>
  );
}

/** The address of a meeting, as one sends it to others. */
export function meetingLink(code: string): string {
  return `${window.location.origin}/m/${code}`;
}
