import { writeFile } from 'node:fs/promises';
import { test as base, expect } from '@playwright/test';
import type { CreateMeetingRequest } from '../../../src/wire/CreateMeetingRequest';
import { makeRecordings, type Name, type Recording } from './media';
import { Machine, Person, type ArrivalOptions, type Place } from './people';
import { Hearth } from './server';

export { expect };

/** Whose machine stands elsewhere than on the loopback. */
type Places = Partial<Record<Name, Place>>;

/** The machines of a whole run: a browser is started when its person first arrives, and stays on for later tests. */
class House {
  private readonly machines = new Map<Name, Machine>();
  private readonly recordings: Record<Name, Recording>;
  private readonly places: Places;

  constructor(recordings: Record<Name, Recording>, places: Places) {
    this.recordings = recordings;
    this.places = places;
  }

  async machine(name: Name): Promise<Machine> {
    const known = this.machines.get(name);
    if (known?.browser.isConnected() === true) return known;
    const machine = await Machine.switchOn(name, this.recordings[name], this.places[name]);
    this.machines.set(name, machine);
    return machine;
  }

  async switchOff(): Promise<void> {
    for (const machine of this.machines.values()) await machine.switchOff();
  }
}

/** Who takes part in a test. */
export class People {
  readonly present: Person[] = [];
  readonly server: Hearth;
  private readonly house: House;

  constructor(house: House, server: Hearth) {
    this.house = house;
    this.server = server;
  }

  /** Somebody who has not opened a page yet. `called` is the name that the others read, when it is not the machine's. */
  async arrive(name: Name, options: ArrivalOptions & { readonly called?: string; readonly at?: Hearth } = {}): Promise<Person> {
    const { called, at, ...arrival } = options;
    return this.arriveAt(await this.house.machine(name), called ?? name, arrival, at);
  }

  /** The same at a machine that the test itself has switched on. */
  async arriveAt(machine: Machine, called: string, options: ArrivalOptions = {}, server = this.server): Promise<Person> {
    const person = await Person.arrive(machine, server, called, options);
    this.present.push(person);
    return person;
  }

  /** Every server that somebody of them came to. */
  get servers(): Set<Hearth> {
    return new Set([this.server, ...this.present.map((person) => person.server)]);
  }

  /** These people, all in the same meeting as guests, in the order in which they came. */
  async meet<const T extends readonly Name[]>(code: string, names: T, options: ArrivalOptions & { readonly at?: Hearth } = {}): Promise<{ [K in keyof T]: Person }> {
    const people: Person[] = [];
    for (const name of names) {
      const person = await this.arrive(name, options);
      await person.join(code);
      people.push(person);
    }
    return people as { [K in keyof T]: Person };
  }
}

interface TestFixtures {
  readonly people: People;
  /** Creates a meeting that guests may join, and gives its code. */
  readonly newMeeting: (request?: Partial<CreateMeetingRequest>) => Promise<string>;
}

interface WorkerFixtures {
  readonly places: Places;
  readonly house: House;
  /** One server for the whole run. Who stops it starts it again. */
  readonly server: Hearth;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  places: [{}, { scope: 'worker', option: true }],

  house: [async ({ places }, use) => {
    const recordings = await makeRecordings();
    const house = new House(recordings.of, places);
    await use(house);
    await house.switchOff();
    await recordings.remove();
  }, { scope: 'worker' }],

  server: [async ({}, use) => {
    const server = await Hearth.start();
    await use(server);
    await server.dispose();
  }, { scope: 'worker' }],

  newMeeting: async ({ server }, use) => {
    await use((request) => server.createMeeting(request));
  },

  people: async ({ house, server }, use, testInfo) => {
    const people = new People(house, server);
    await use(people);
    const complaints: string[] = [];
    for (const person of people.present) complaints.push(...(await person.complaints()));
    if (testInfo.status !== testInfo.expectedStatus || complaints.length > 0) {
      // Files beside the report: the log of each server, and each person's messages and screen.
      for (const [i, each] of [...people.servers].entries()) await writeFile(testInfo.outputPath(`server-${i}.log`), each.log);
      for (const [i, person] of people.present.entries()) {
        await writeFile(testInfo.outputPath(`person-${i}.log`), diary(person));
        await person.page.screenshot({ path: testInfo.outputPath(`person-${i}.png`), timeout: 5_000 }).catch(() => null);
      }
    }
    for (const person of people.present) await person.context.close();
    expect(complaints, 'no page asked a foreign place, broke the policy or left an error uncaught').toEqual([]);
  },
});

function diary(person: Person): string {
  const messages = person.messages.map(({ direction, body }) => `${direction} ${JSON.stringify(body)}`);
  return [`-- ${person.name} at ${person.page.url()}`, '-- console', ...person.console, '-- errors', ...person.errors, '-- socket', ...messages].join('\n');
}
