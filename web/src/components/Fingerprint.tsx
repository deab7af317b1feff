import '../styles/fingerprint.css';
import type { JSX } from 'preact';

const PAIRS_IN_A_ROW = 8;

/** In rows of equal length, which are easier to compare. */
export function Fingerprint({ text }: { text: string }): JSX.Element {
  const pairs = text.split(':');
  const rows: string[] = [];
  for (let i = 0; i < pairs.length; i += PAIRS_IN_A_ROW) rows.push(pairs.slice(i, i + PAIRS_IN_A_ROW).join(':'));
  return (
    <code class="fingerprint">
      {rows.map((row, i) => (
        <span key={row}>{i < rows.length - 1 ? `${row}:` : row}</span>
      ))}
    </code>
  );
}
