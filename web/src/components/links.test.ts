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

  it.each([
    ['https://example.org/a[1]].', 'https://example.org/a[1]'],
    ['https://example.org/((a)))).)', 'https://example.org/((a))'],
    ['https://example.org/a)b(', 'https://example.org/a)b('],
  ])('counts the brackets of %j', (text, href) => {
    expect(links(text)).toEqual([href]);
  });

  const MARKS = 3_987;

  it.each([')', ']', '.', ').', '])…', '!?_~'])('takes a whole line of %j for marks behind the address', (mark) => {
    const marks = mark.repeat(MARKS).slice(0, MARKS);
    expect(findLinks(`https://x.org${marks}`)).toEqual([
      { kind: 'link', text: 'https://x.org', href: 'https://x.org/' },
      { kind: 'text', text: marks },
    ]);
  });

  it('keeps a whole line of brackets that the address opened', () => {
    const address = `https://x.org/${'('.repeat(1_993)}${')'.repeat(1_993)}`;
    expect(findLinks(address)).toEqual([{ kind: 'link', text: address, href: address }]);
  });

  it('never loses a character', () => {
    const text = 'a https://example.org/). b <b> https://x.example… c';
    expect(findLinks(text).map((piece) => piece.text).join('')).toBe(text);
  });
});
