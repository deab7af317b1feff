import type { JSX } from 'preact';
import { AdminFrame } from '../../components/AdminFrame';

/** How this place is doing. */
export function StatusPage(): JSX.Element {
  return <AdminFrame section="status">{null}</AdminFrame>;
}
