import { describe, expect, it } from 'vitest';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { parsePath, resolveRoute } from '../../protocols/discord/routes.ts';
import { PathRefusedError } from '../../protocols/errors.ts';

const INTERACTION_TOKEN = 'aW50ZXJhY3Rpb246MTIzOnNlY3JldA';

describe('the table of documented routes', () => {
  it('holds every documented method and template once', () => {
    const pairs = DOCUMENTED_ROUTES.flatMap((line) => {
      const words = line.split(' ');
      const template = words.pop();
      return words.map((method) => `${method} ${template}`);
    });
    expect(new Set(pairs).size).toBe(pairs.length);
    // 229 in the documentation's route tags, six more in its prose about OAuth and partners.
    expect(pairs.length).toBe(229 + 6);
  });

  it('resolves each of its templates, filled in, to itself', () => {
    for (const line of DOCUMENTED_ROUTES) {
      const words = line.split(' ');
      const template = words.pop() ?? '';
      const path = template
        .replaceAll(':interaction_token', INTERACTION_TOKEN)
        .replaceAll(':emoji', '%F0%9F%94%A5')
        .replaceAll(':code', 'hTKzmak')
        .replaceAll(':token', 'abc-DEF_123')
        .replaceAll(/:[a-z_]+/g, '18446744073709551615');
      for (const method of words) {
        const route = resolveRoute(method, `/api/v10${path}`);
        expect(route).toMatchObject({ method, template, known: true });
        expect(route.methods).toContain(method);
      }
    }
  });
});

describe('a route', () => {
  it.each([
    ['/channels/123/messages', '/channels/:channel/messages', 'channels:123'],
    ['/channels/123/messages/456', '/channels/:channel/messages/:message', 'channels:123'],
    ['/guilds/123/members/@me/nick', '/guilds/:guild/members/@me/nick', 'guilds:123'],
    ['/guilds/templates/123', '/guilds/templates/:code', ''],
    ['/webhooks/123', '/webhooks/:webhook', 'webhooks:123'],
    ['/webhooks/123/tok', '/webhooks/:webhook/:token', 'webhooks:123:tok'],
    ['/stage-instances/123', '/stage-instances/:channel', ''],
    [
      '/applications/123/guilds/4/commands',
      '/applications/:application/guilds/:guild/commands',
      '',
    ],
    ['/users/@me/guilds/5/member', '/users/@me/guilds/:guild/member', ''],
  ])('%s has template %s and major "%s"', (path, template, major) => {
    expect(resolveRoute('GET', path)).toMatchObject({ template, major, known: true });
  });

  it('P13 keeps literals apart from ids by position', () => {
    const template = (path: string) => resolveRoute('GET', path).template;
    expect(template('/channels/1/messages/bulk-delete')).toBe(
      '/channels/:channel/messages/bulk-delete',
    );
    expect(template('/channels/1/messages/pins/2')).toBe(
      '/channels/:channel/messages/pins/:message',
    );
    expect(template('/channels/1/messages/2/reactions/a%3A12345678901234567890/@me')).toBe(
      '/channels/:channel/messages/:message/reactions/:emoji/@me',
    );
    expect(template('/channels/1/messages/2/reactions/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9/9')).toBe(
      '/channels/:channel/messages/:message/reactions/:emoji/:user',
    );
    expect(template('/invites/12345678901234567')).toBe('/invites/:code');
    expect(template('/applications/1/activity-instances/i-123456789012345678-gc-9')).toBe(
      '/applications/:application/activity-instances/:instance',
    );
    expect(template('/users/%40me')).toBe('/users/@me');
    expect(template('/channels/1/thread-members/@me')).toBe(
      '/channels/:channel/thread-members/@me',
    );
  });

  it('tells an interaction from a webhook by the form of its token', () => {
    const interaction = resolveRoute(
      'PATCH',
      `/webhooks/1/${INTERACTION_TOKEN}/messages/@original`,
    );
    expect(interaction).toMatchObject({
      template: '/webhooks/:webhook/:interaction_token/messages/@original',
      major: `webhooks:1:${INTERACTION_TOKEN}`,
      globalExempt: true,
      tokenInPath: true,
      unauthenticated: true,
    });
    expect(resolveRoute('POST', '/webhooks/1/hook-token')).toMatchObject({
      template: '/webhooks/:webhook/:token',
      globalExempt: false,
      tokenInPath: true,
    });
    expect(resolveRoute('POST', '/interactions/1/any-token/callback')).toMatchObject({
      template: '/interactions/:interaction/:interaction_token/callback',
      major: '',
      globalExempt: true,
    });
    expect(resolveRoute('GET', '/webhooks/1')).toMatchObject({
      tokenInPath: false,
      unauthenticated: false,
    });
  });

  it('keeps the tokens of one application apart', () => {
    const one = resolveRoute('POST', `/webhooks/1/${INTERACTION_TOKEN}A`);
    const other = resolveRoute('POST', `/webhooks/1/${INTERACTION_TOKEN}B`);
    expect(one.template).toBe(other.template);
    expect(one.major).not.toBe(other.major);
  });

  it('says which routes want no authorization, by method too', () => {
    expect(resolveRoute('GET', '/gateway').unauthenticated).toBe(true);
    expect(resolveRoute('GET', '/gateway/bot').unauthenticated).toBe(false);
    expect(resolveRoute('GET', '/invites/abc').unauthenticated).toBe(true);
    expect(resolveRoute('DELETE', '/invites/abc').unauthenticated).toBe(false);
    expect(resolveRoute('POST', '/oauth2/token').unauthenticated).toBe(true);
  });

  it('names what it does not know without repeating it', () => {
    expect(resolveRoute('GET', '/channels/1/secret-thing/SECRET')).toMatchObject({
      template: '/channels/:channel/:x/:x',
      major: 'channels:1',
      family: 'channels',
      known: false,
      methods: [],
    });
    expect(resolveRoute('GET', '/a/b/c/d/e/f')).toMatchObject({
      template: '/:x/:x/:x/:x/*',
      family: 'other',
      known: false,
    });
    expect(resolveRoute('BREW', '/users/@me')).toMatchObject({ method: 'OTHER', known: true });
    expect(resolveRoute('get', '').template).toBe('/');
  });

  it('does not take a text for a channel that cannot be an id', () => {
    expect(resolveRoute('GET', '/channels/general/messages').major).toBe('');
    expect(resolveRoute('GET', '/channels/@me').template).toBe('/channels/@me');
    expect(resolveRoute('GET', '/channels/@me').known).toBe(false);
    expect(resolveRoute('GET', '/channels/@everyone').template).toBe('/channels/:x');
    expect(resolveRoute('GET', '/channels/:x').template).toBe('/channels/:x');
  });
});

describe('a path', () => {
  it('P14 comes to one route, however it is written', () => {
    const expected = resolveRoute('GET', '/channels/12/messages');
    for (const path of [
      '/api/v10/channels/12/messages',
      '/api/v9/channels/12/messages',
      '/api/channels/12/messages',
      'channels/12/messages',
      '/channels/12/messages/',
      '//channels///12//messages//',
      '/channels/12/messages?limit=5&before=1/2/..',
      '/channels/%31%32/messages#x',
    ]) {
      expect(resolveRoute('GET', path)).toEqual(expected);
    }
  });

  it.each([
    '/channels/../users/@me',
    '/channels/./1',
    '/channels/%2e%2e/users',
    '/channels/.%2E/users',
    '/channels/1%2F..%2Fusers',
    '/channels/1%5c..%5cusers',
    '/channels\\..\\users',
    '/users/@me HTTP/1.1',
    '/users/@me\r\nX-Injected: 1',
    `/${'a'.repeat(20_000)}`,
  ])('P14 is refused when it climbs or is none: %j', (path) => {
    expect(() => resolveRoute('GET', path)).toThrow(PathRefusedError);
  });

  it('is never repeated by the error that refuses it', () => {
    try {
      resolveRoute('GET', '/webhooks/1/very-secret-token/../x');
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain('very-secret-token');
    }
  });

  it('keeps its version and its query', () => {
    expect(parsePath('/api/v10/users/@me?a=%20b&a=c&&')).toEqual({
      api: true,
      version: 10,
      segments: ['users', '@me'],
      query: 'a=%20b&a=c&&',
    });
    expect(parsePath('/api/users/@me')).toMatchObject({ api: true, version: undefined });
    expect(parsePath('/users/@me').api).toBe(false);
    expect(parsePath('/users/%zz').segments).toEqual(['users', '%zz']);
  });
});
