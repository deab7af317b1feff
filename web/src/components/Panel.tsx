import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { CloseIcon } from './icons';

/** A part of the meeting beside the stage. It takes the focus when it opens, and Esc closes it from anywhere. */
export function Panel({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }): JSX.Element {
  const panel = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const wanted = panel.current?.querySelector<HTMLElement>('[data-first-focus]') ?? panel.current?.querySelector<HTMLElement>('h2');
    wanted?.focus();
  }, []);
  // Before the next paint: on a busy machine an Escape can come sooner than that.
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      close();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [close]);
  return (
    <section class="panel" role="region" aria-label={title} ref={panel}>
      <div class="panel-head">
        <h2 tabIndex={-1}>{title}</h2>
        <button type="button" class="button plain square" aria-label={t('app.close')} title={t('app.close')} onClick={close}>
          <CloseIcon />
        </button>
      </div>
      {children}
    </section>
  );
}
