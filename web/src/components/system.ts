/** Systems that are told in different ways which authorities to trust. */
export const SYSTEMS = ['ios', 'android', 'windows', 'macos', 'linux'] as const;

export type System = (typeof SYSTEMS)[number];

/**
 * The system that a browser says it runs on. `touchPoints` tells iPads, which call themselves Macintosh, from Macs, which have
 * no touch screen.
 */
export function systemOf(userAgent: string, touchPoints: number): System {
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios';
  if (/Android/.test(userAgent)) return 'android';
  if (/Windows/.test(userAgent)) return 'windows';
  if (/Macintosh/.test(userAgent)) return touchPoints > 1 ? 'ios' : 'macos';
  return 'linux';
}
