import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { Header } from './Header';

type Loaded = { readonly Page: ComponentType } | 'failed' | null;

/** A page whose script is loaded when it is first shown, and kept. */
export function lazily(load: () => Promise<ComponentType>): () => JSX.Element {
  let known: ComponentType | null = null;
  return function LazyPage(): JSX.Element {
    const [loaded, setLoaded] = useState<Loaded>(known && { Page: known });
    useEffect(() => {
      let shown = true;
      const show = (what: Loaded): void => {
        if (shown) setLoaded(what);
      };
      if (!known) {
        load().then(
          (Page) => {
            known = Page;
            show({ Page });
          },
          () => show('failed'),
        );
      }
      return () => {
        shown = false;
      };
    }, []);
    if (loaded === null || loaded === 'failed') return <Waiting failed={loaded === 'failed'} />;
    return <loaded.Page />;
  };
}

/** A browser remembers that a script could not be loaded; only loading the page again asks for it anew. */
function Waiting({ failed }: { failed: boolean }): JSX.Element {
  return (
    <div class="page">
      <Header />
      <main class="content stack">
        <p class="soft" role={failed ? 'alert' : 'status'}>
          {t(failed ? 'app.partMissing' : 'app.loading')}
        </p>
        {failed && (
          <div class="buttons">
            <button type="button" class="button" onClick={() => window.location.reload()}>
              {t('app.reload')}
            </button>
          </div>
        )}
      </main>
    </div>
  );
}
