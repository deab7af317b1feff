import type { JSX } from 'preact';
import { usePageHeading } from '../components/context';
import { Header } from '../components/Header';
import { t } from '../i18n';

export function NotFoundPage(): JSX.Element {
  const title = t('notFound.title');
  const heading = usePageHeading(title);
  return (
    <div class="page">
      <Header />
      <main class="content centre stack loose">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <p class="soft">{t('notFound.hint')}</p>
        <a class="button primary large" href="/">
          {t('left.home')}
        </a>
      </main>
    </div>
  );
}
