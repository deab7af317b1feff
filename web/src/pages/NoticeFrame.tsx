import type { ComponentChildren, JSX } from 'preact';
import { usePageHeading } from '../components/context';
import { Header } from '../components/Header';

interface Properties {
  readonly title: string;
  readonly text: string;
  /** Whether the title takes the focus whenever the page comes up, and not only when one came to it from another. */
  readonly focus?: boolean;
  /** The ways on. */
  readonly children: ComponentChildren;
}

/** The frame of pages that say one thing, with the ways on from there. */
export function NoticeFrame({ title, text, focus = false, children }: Properties): JSX.Element {
  const heading = usePageHeading(title, focus);
  return (
    <div class="page">
      <Header />
      <main class="content centre stack loose">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <p class="soft">{text}</p>
        {children}
      </main>
    </div>
  );
}
