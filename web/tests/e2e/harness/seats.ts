import { expect } from '@playwright/test';
import type { Person } from './people';

/** Remembers where everybody sits; the returned check holds when nobody moved and no connection was made or negotiated anew. */
export async function rememberSeats(first: Person, second: Person): Promise<() => Promise<void>> {
  const picture = async (): Promise<unknown> => ({
    seats: [await first.seatOf(second), await second.seatOf(first)],
    negotiations: [await first.negotiations(), await second.negotiations()],
    connections: [await first.connectionStates(), await second.connectionStates()],
  });
  const before = await picture();
  return async () => {
    for (const person of [first, second]) await expect(person.tiles).toHaveCount(2);
    expect(await picture()).toEqual(before);
  };
}
