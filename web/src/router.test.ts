import { describe, expect, it } from 'vitest';
import { parseMeetingCode, parseRoute } from './router';

describe('parseMeetingCode', () => {
  it.each([
    ['abcd-efgh-jkmn', 'abcd-efgh-jkmn'],
    ['  ABCD EFGH JKMN ', 'abcd-efgh-jkmn'],
    ['abcdefghjkmn', 'abcd-efgh-jkmn'],
    ['abcd-efgh-jkmO', 'abcd-efgh-jkm0'],
    ['ILil-0000-0000', '1111-0000-0000'],
    ['https://meet.example.org/m/abcd-efgh-jkmn', 'abcd-efgh-jkmn'],
    ['Join us: https://meet.example.org/m/abcd-efgh-jkmn?x=1#y at noon', 'abcd-efgh-jkmn'],
    ['/m/abcd-efgh-jkmn', 'abcd-efgh-jkmn'],
  ])('reads %j', (text, code) => {
    expect(parseMeetingCode(text)).toBe(code);
  });

  it.each(['', 'abcd', 'abcd-efgh-jkmn-pqrs', 'abcd-efgh-jkmu', 'abcd-efgh-jkm!', 'https://example.org/', '/m/../../x'])(
    'refuses %j',
    (text) => {
      expect(parseMeetingCode(text)).toBeNull();
    },
  );
});

describe('parseRoute', () => {
  it('knows every page', () => {
    expect(parseRoute('/')).toEqual({ page: 'home' });
    expect(parseRoute('/signin')).toEqual({ page: 'signIn', next: null });
    expect(parseRoute('/register/')).toEqual({ page: 'register', next: null });
    expect(parseRoute('/setup')).toEqual({ page: 'setup' });
    expect(parseRoute('/admin')).toEqual({ page: 'admin', section: 'status' });
    expect(parseRoute('/admin/settings')).toEqual({ page: 'admin', section: 'settings' });
    expect(parseRoute('/admin/doctor/')).toEqual({ page: 'admin', section: 'doctor' });
    expect(parseRoute('/check')).toEqual({ page: 'check' });
    expect(parseRoute('/trust')).toEqual({ page: 'trust' });
    expect(parseRoute('/m/ABCDEFGHJKMN')).toEqual({ page: 'meeting', code: 'abcd-efgh-jkmn' });
  });

  it.each(['/m', '/m/nonsense', '/m/abcd-efgh-jkmn/more', '/signin/x', '/constructor', '/admin/status', '/admin/x', '/admin/doctor/x'])('finds nothing at %s', (path) => {
    expect(parseRoute(path)).toEqual({ page: 'notFound' });
  });

  it('goes on to a meeting after signing in', () => {
    expect(parseRoute('/signin', '?next=/m/abcd-efgh-jkmn')).toEqual({ page: 'signIn', next: '/m/abcd-efgh-jkmn' });
  });

  it.each(['//evil.example', 'https://evil.example/m/abcd-efgh-jkmn', '/m//evil.example', 'javascript:alert(1)', '/setup'])(
    'never goes on to %s',
    (next) => {
      expect(parseRoute('/signin', `?next=${encodeURIComponent(next)}`)).toEqual({ page: 'signIn', next: null });
    },
  );
});
