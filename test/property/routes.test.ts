import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { PathRefusedError } from '../../protocols/errors.ts';

const TEMPLATES = DOCUMENTED_ROUTES.map((line) => line.slice(line.lastIndexOf(' ') + 1));
const WORDS = [...new Set(TEMPLATES.flatMap((template) => template.split('/').slice(1)))];
const SECRET_START = 'zzSECRETzz';

const snowflake = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const secret = fc.stringMatching(/^[\w-]{1,40}$/).map((text) => SECRET_START + text);
const emoji = fc.constantFrom('%F0%9F%94%A5', 'name:12345678901234567890', '🔥', 'a%3A1');
const segment = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.constantFrom('@me', '@original', '@everyone', ':x', '*', 'api', 'v10'),
  snowflake,
  secret,
  emoji,
  fc.string({ maxLength: 12 }),
);
const strayPath = fc.array(segment, { maxLength: 9 }).map((segments) => `/${segments.join('/')}`);
/** A documented path, most of it filled in, with one segment exchanged for anything. */
const nearPath = fc
  .tuple(fc.constantFrom(...TEMPLATES), fc.nat({ max: 8 }), segment, snowflake)
  .map(([template, place, stray, id]) => {
    const segments = template.split('/').map((word) => (word.startsWith(':') ? id : word));
    if (place > 0 && place < segments.length) segments[place] = stray;
    return segments.join('/');
  });
const path = fc.oneof(strayPath, nearPath);
const method = fc.oneof(fc.constantFrom('GET', 'post', 'PUT', 'PATCH', 'DELETE'), fc.string());

function resolveOrRefuse(anyMethod: string, anyPath: string) {
  try {
    return resolveRoute(anyMethod, anyPath);
  } catch (error) {
    if (error instanceof PathRefusedError) return undefined;
    throw error;
  }
}

describe('resolving routes', () => {
  it('P13 is total: any text gives a route or a refusal', () => {
    fc.assert(
      fc.property(method, fc.oneof(path, fc.string({ unit: 'binary' })), (anyMethod, anyPath) => {
        const route = resolveOrRefuse(anyMethod, anyPath);
        if (route !== undefined) expect(route.template.startsWith('/')).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('P13 is idempotent: a template resolves to itself', () => {
    fc.assert(
      fc.property(method, path, (anyMethod, anyPath) => {
        const route = resolveOrRefuse(anyMethod, anyPath);
        if (route === undefined) return;
        const again = resolveRoute(route.method, route.template);
        expect(again.template).toBe(route.template);
        expect(again.known).toBe(route.known);
        expect(again.family).toBe(route.family);
      }),
      { numRuns: 2_000 },
    );
  });

  it('P13 has bounded cardinality: a template is made of words of the table alone', () => {
    const allowed = new Set([...WORDS, '@me', '@original', ':x', '*', '']);
    fc.assert(
      fc.property(method, path, (anyMethod, anyPath) => {
        const route = resolveOrRefuse(anyMethod, anyPath);
        if (route === undefined) return;
        const segments = route.template.split('/').slice(1);
        for (const word of segments) expect(allowed).toContain(word);
        // What is not documented is a documented beginning and at most five segments after it.
        const known = segments.findIndex((word) => word === ':x' || word === '*');
        if (known >= 0) expect(segments.length - known).toBeLessThanOrEqual(5);
        expect(TEMPLATES.includes(route.template)).toBe(route.known);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never shows a secret in what may be logged', () => {
    fc.assert(
      fc.property(method, path, (anyMethod, anyPath) => {
        const route = resolveOrRefuse(anyMethod, anyPath);
        if (route === undefined) return;
        const { major: _secret, ...shown } = route;
        expect(JSON.stringify(shown)).not.toContain(SECRET_START);
      }),
      { numRuns: 2_000 },
    );
  });

  it('P14 gives one key to all spellings of a path', () => {
    const prefix = fc.constantFrom('', '/api', '/api/v9', '/api/v10', '//api//v10', 'api/v8');
    const suffix = fc.constantFrom('', '/', '//', '?', '?limit=1', '?a=/../x', '/?a=1#b');
    const plain = fc
      .array(fc.oneof(fc.constantFrom(...WORDS.filter((word) => word !== '*')), snowflake), {
        minLength: 1,
        maxLength: 8,
      })
      .map((segments) => segments.join('/'));
    fc.assert(
      fc.property(plain, prefix, suffix, (anyPath, anyPrefix, anySuffix) => {
        const spelled = `${anyPrefix}/${anyPath}${anySuffix}`.replaceAll('/', '//');
        expect(resolveRoute('GET', spelled)).toEqual(resolveRoute('GET', `/${anyPath}`));
      }),
      { numRuns: 1_000 },
    );
  });

  it('P14 refuses a dot segment wherever it stands and however it is encoded', () => {
    const dots = fc.constantFrom(
      '.',
      '..',
      '%2e',
      '%2E%2e',
      '.%2e',
      '%2e%2e%2f',
      'a%2f..',
      '..%5cb',
    );
    const clean = fc.array(fc.oneof(fc.constantFrom(...WORDS), snowflake), { maxLength: 5 });
    fc.assert(
      fc.property(clean, dots, clean, (before, dot, after) => {
        const anyPath = `/${[...before, dot, ...after].join('/')}`;
        expect(() => resolveRoute('GET', anyPath)).toThrow(PathRefusedError);
      }),
    );
  });
});
