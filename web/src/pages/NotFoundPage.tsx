import type { JSX } from 'preact';
import { t } from '../i18n';
import { NoticeFrame } from './NoticeFrame';

export function NotFoundPage(): JSX.Element {
  return (
    <NoticeFrame title={t('notFound.title')} text={t('notFound.hint')}>
      <a class="button primary large" href="/">
        {t('left.home')}
      </a>
    </NoticeFrame>
  );
}
