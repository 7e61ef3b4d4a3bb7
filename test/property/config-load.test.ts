import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../protocols/errors.ts';
import { describeValues } from '../../src/config/describe.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../../src/config/gateway-options.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { PROXY_OPTIONS } from '../../src/config/proxy-options.ts';
import { loadText } from '../support/configuration.ts';

/**
 * Everything that is said about a configuration: its error, or its warnings and its description.
 */
async function everythingSaid(
  service: 'gateway' | 'proxy',
  toml: string | undefined,
  environment: Record<string, string>,
): Promise<string> {
  try {
    if (service === 'gateway') {
      const { warnings, resolved } = await loadText(loadGatewayConfig, toml, environment);
      return [...warnings, ...describeValues(GATEWAY_OPTIONS, resolved)].join('\n');
    }
    const { warnings, resolved } = await loadText(loadProxyConfig, toml, environment);
    return [...warnings, ...describeValues(PROXY_OPTIONS, resolved)].join('\n');
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
}

const service = fc.constantFrom('gateway' as const, 'proxy' as const);
const keys = Object.keys({ ...GATEWAY_OPTIONS, ...PROXY_OPTIONS });
const variables = Object.values({ ...GATEWAY_OPTIONS, ...PROXY_OPTIONS }).flatMap(
  ({ environment }) => environment,
);

/** Values of all kinds that TOML has, many of them nearly right. */
const value: fc.Arbitrary<unknown> = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '*',
      'GUILDS',
      'READY',
      'redis',
      '2m',
      ':1',
      '0-3',
      'amqp://h',
      '{}',
      '{"status":"idle"}',
    ),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('any'), { maxKeys: 3 }),
  ),
})).any;

/** A table with known keys at their places, and a few unknown ones. */
const table = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(...keys), value), { maxLength: 12 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), value, { maxKeys: 2 }),
  )
  .map(([known, unknown]) => {
    const root: Record<string, unknown> = { ...unknown };
    for (const [key, given] of known) {
      const [section = '', name] = key.split('.');
      if (name === undefined) root[section] = given;
      else {
        const inner = root[section];
        root[section] =
          typeof inner === 'object' &&
          inner !== null &&
          !Array.isArray(inner) &&
          !(inner instanceof Date)
            ? { ...inner, [name]: given }
            : { [name]: given };
      }
    }
    return root;
  });

const environment = fc.dictionary(
  fc.constantFrom(...variables),
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('*', 'GUILDS', '1', '2m', 'redis', '0-3,5'),
  ),
  { maxKeys: 6 },
);

function asToml(content: Record<string, unknown>): string | undefined {
  try {
    return stringify(content);
  } catch {
    // Not everything that JavaScript has can be written as TOML.
    return undefined;
  }
}

describe('a configuration is read or refused, whatever it holds', () => {
  it('any text', async () => {
    await fc.assert(
      fc.asyncProperty(
        service,
        fc.string({ unit: 'binary', maxLength: 200 }),
        async (name, text) => {
          expect(await everythingSaid(name, text, {})).not.toBe('');
        },
      ),
      { numRuns: 200 },
    );
  });

  it('any values at any keys, and any environment', async () => {
    await fc.assert(
      fc.asyncProperty(service, table, environment, async (name, content, variables) => {
        const said = await everythingSaid(name, asToml(content), variables);
        expect(said).not.toBe('');
        // Terminals must not be steered by what a file holds, and each problem is one line.
        expect(said).not.toMatch(/(?!\n)[\p{Cc}\u2028\u2029]/u);
      }),
      { numRuns: 500 },
    );
  });
});

const SECRET = 'kT9-xQ_27vLpW';

/** Places where a secret is rightly kept, with mistakes of all kinds around it. */
const mistake = fc.constantFrom(
  '',
  ' ',
  '/',
  '#',
  '?',
  '@',
  ':',
  '%',
  '"',
  '\\',
  ',',
  '\n',
  '\u0000',
  '[',
  '}',
);
const url = fc
  .tuple(
    fc.constantFrom('redis://', 'amqp://', 'rediss://', 'http://', 'redis:/', ''),
    mistake,
    mistake,
    mistake,
  )
  .map(([scheme, one, two, three]) => `${scheme}user:${one}${SECRET}${two}@host${three}`);
const token = fc.tuple(mistake, mistake).map(([one, two]) => `${one}${SECRET}${two}`);

describe('GP-91: no message shows a secret that stands where secrets belong', () => {
  it('in the environment', async () => {
    const given = fc.record({
      DISCORD_TOKEN: token,
      REDIS_URL: fc.oneof(
        url,
        fc.tuple(url, url).map((urls) => urls.join(',')),
      ),
      AMQP_URL: url,
    });
    await fc.assert(
      fc.asyncProperty(service, given, environment, async (name, secrets, others) => {
        const said = await everythingSaid(name, undefined, { ...others, ...secrets });
        expect(said).not.toContain(SECRET);
      }),
      { numRuns: 500 },
    );
  });

  it('in a file, whole or broken off or garbled', async () => {
    const content = fc.tuple(table, token, url, url).map(([others, secretToken, redis, amqp]) => ({
      ...others,
      token: secretToken,
      discord: { token: secretToken },
      redis: { url: redis, urls: [redis, amqp] },
      amqp: { url: amqp },
    }));
    // Nothing is cut out of the middle: that could make a key of a secret, where nobody can know
    // it.
    const damage = fc.oneof(
      fc.record({ at: fc.nat({ max: 400 }), put: fc.string({ maxLength: 3 }) }),
      fc.record({ at: fc.nat({ max: 400 }), put: fc.constant(undefined) }),
    );
    await fc.assert(
      fc.asyncProperty(service, content, fc.option(damage), async (name, holds, hurt) => {
        const whole = asToml(holds) ?? '';
        const rest = hurt?.put === undefined ? '' : hurt.put + whole.slice(hurt.at);
        const toml = hurt === null ? whole : whole.slice(0, hurt.at) + rest;
        expect(await everythingSaid(name, toml, {})).not.toContain(SECRET);
      }),
      { numRuns: 500 },
    );
  });
});
