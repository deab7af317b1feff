import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiClient } from '../api/client';
import type { DoctorState } from '../wire/DoctorState';
import { type DoctorVisit, newVisit } from './doctor';

const IDLE: DoctorState = { running: false, examinedAt: '2024-01-20T10:00:00Z', findings: [], outside: null };

let asked: string[];
let answers: Partial<Record<string, unknown>>;
let visit: DoctorVisit;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answers = { 'GET /api/admin/doctor': IDLE };
  const client = new ApiClient((path, { method }) => {
    const request = `${method} ${path}`;
    asked.push(request);
    return Promise.resolve(Response.json(answers[request] ?? null));
  });
  visit = newVisit(client);
});

afterEach(() => {
  visit.dispose();
  vi.useRealTimers();
});

describe('a visit to the doctor', () => {
  it('begins with a look where none was taken yet, and waits for its end', async () => {
    answers['GET /api/admin/doctor'] = { ...IDLE, examinedAt: null };
    answers['POST /api/admin/doctor'] = { ...IDLE, examinedAt: null, running: true };
    await visit.start();
    expect(asked).toEqual(['GET /api/admin/doctor', 'POST /api/admin/doctor']);
    answers['GET /api/admin/doctor'] = IDLE;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length, 'one more question, which tells that it is over').toBe(3);
    expect(visit.state.value).toEqual(IDLE);
  });

  it('asks nothing again when nothing is under way', async () => {
    await visit.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual(['GET /api/admin/doctor']);
  });

  it('watches a phone that has the link until it has reported everything', async () => {
    const outside = { expiresAt: '2024-01-20T10:10:00Z', opened: false, done: false, findings: [] };
    answers['POST /api/admin/doctor/outside'] = { link: 'https://a.example/check#x', qr: { size: 29, path: '' }, expiresAt: outside.expiresAt };
    answers['GET /api/admin/doctor'] = { ...IDLE, outside };
    await visit.prepare();
    expect(visit.link.value?.link).toBe('https://a.example/check#x');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked.length).toBe(4);
    answers['GET /api/admin/doctor'] = { ...IDLE, outside: { ...outside, done: true } };
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBe(5);
  });

  it('ends with the page', async () => {
    answers['GET /api/admin/doctor'] = { ...IDLE, running: true };
    await visit.start();
    visit.dispose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBe(1);
  });
});
