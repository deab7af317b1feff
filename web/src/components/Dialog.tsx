import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { problemOf } from './errors';
import { ErrorNote } from './Field';

/** A box over the page that is open as long as it is rendered. The browser keeps the focus inside and brings it back. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class="dialog"
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) ref.current?.close();
      }}
    >
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface Question {
  title: string;
  explained: string;
  confirm: string;
  act: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something that can't be undone. */
export function Confirm({ title, explained, confirm, act, onClose }: Question): JSX.Element {
  const busy = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const go = async (): Promise<void> => {
    busy.value = true;
    problem.value = undefined;
    try {
      await act();
      onClose();
    } catch (error) {
      problem.value = problemOf(error, t('app.unexpected')).message;
      busy.value = false;
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="soft">{explained}</p>
      <ErrorNote message={problem.value} />
      <div class="buttons">
        <button type="button" class="button" onClick={onClose}>
          {t('app.cancel')}
        </button>
        <button type="button" class="button danger" disabled={busy.value} onClick={() => void go()}>
          {confirm}
        </button>
      </div>
    </Dialog>
  );
}
