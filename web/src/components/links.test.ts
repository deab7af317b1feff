import { describe, expect, it } from 'vitest';
import { findLinks } from './links';

const links = (text: string): string[] => findLinks(text).flatMap((piece) => (piece.kind === 'link' ? [piece.href] : []));

describe('findLinks', () => {
  it('keeps the text around a link', () => {
    expect(findLinks('see https://example.org/a?b=c#d now')).toEqual([
      { kind: 'text', text: 'see ' },
      { kind: 'link', text: 'https://example.org/a?b=c#d', href: 'https://example.org/a?b=c#d' },
      { kind: 'text', text: ' now' },
    ]);
  });

  it.each([
    ['Look at https://example.org/x.', 'https://example.org/x'],
    ['(https://example.org/x)', 'https://example.org/x'],
    ['https://example.org/wiki/Fire_(element)', 'https://example.org/wiki/Fire_(element)'],
    ['HTTPS://Example.ORG/A', 'https://example.org/A'],
  ])('finds the address in %j', (text, href) => {
    expect(links(text)).toEqual([href]);
  });

  it('finds several', () => {
    expect(links('http://a.example and http://b.example')).toEqual(['http://a.example/', 'http://b.example/']);
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'JaVaScRiPt://example.org/%0aalert(1)',
    'file:///etc/passwd',
    'xhttps://example.org',
    'https://',
    'https://user:secret@example.org/',
    '<img src=x onerror=alert(1)>',
    '"><svg/onload=alert(1)>',
    '__proto__',
  ])('U1: leaves %j as text', (text) => {
    expect(findLinks(text)).toEqual([{ kind: 'text', text }]);
  });

  it('never loses a character', () => {
    const text = 'a https://example.org/). b <b> https://x.example… c';
    expect(findLinks(text).map((piece) => piece.text).join('')).toBe(text);
  });
});
