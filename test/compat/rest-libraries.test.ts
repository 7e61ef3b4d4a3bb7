/**
 * Other people's REST clients, unmodified, through the HTTP door to the simulator: each is only
 * told another address for Discord. Some of them keep limits of their own, some leave that to a
 * proxy; the last one has a new instance for each request, so that it knows nothing of any limit.
 */
import { createRestManager } from '@discordeno/rest';
import { REST } from '@discordjs/rest';
import { Client as DiscordJs, Events } from 'discord.js';
import { Client as Oceanic } from 'oceanic.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import type { RestRequest } from '../../src/simulator/rest/http.ts';
import { openProxy } from '../support/opened-proxy.ts';

type Message = { readonly id: string; readonly content: string };

/** One library's way to say each thing. */
type Library = {
  readonly name: string;
  me(): Promise<string>;
  post(channel: string, content: string): Promise<Message>;
  upload(channel: string, content: string, filename: string, file: Buffer): Promise<Message>;
  list(channel: string, limit: number): Promise<readonly Message[]>;
  remove(channel: string, message: string, reason: string): Promise<void>;
  execute(webhook: string, token: string, content: string): Promise<Message>;
  answer(interaction: string, token: string, content: string): Promise<void>;
  /**
   * The status and Discord's code for the error, as the library tells them, of a failed request.
   */
  failure(channel: string): Promise<{ readonly status: unknown; readonly code: unknown }>;
};

const CALLBACK_TYPE = 4;

function discordJsRest(name: string, rest: () => REST): Library {
  return {
    name,
    me: async () => ((await rest().get('/users/@me')) as { id: string }).id,
    post: async (channel, content) =>
      (await rest().post(`/channels/${channel}/messages`, { body: { content } })) as Message,
    upload: async (channel, content, filename, file) => {
      const files = [{ name: filename, data: file }];
      const sent = { body: { content }, files };
      return (await rest().post(`/channels/${channel}/messages`, sent)) as Message;
    },
    list: async (channel, limit) => {
      const query = new URLSearchParams({ limit: String(limit) });
      return (await rest().get(`/channels/${channel}/messages`, { query })) as Message[];
    },
    remove: async (channel, message, reason) => {
      await rest().delete(`/channels/${channel}/messages/${message}`, { reason });
    },
    execute: async (webhook, token, content) => {
      const query = new URLSearchParams({ wait: 'true' });
      const sent = { body: { content }, query, auth: false } as const;
      return (await rest().post(`/webhooks/${webhook}/${token}`, sent)) as Message;
    },
    answer: async (interaction, token, content) => {
      const body = { type: CALLBACK_TYPE, data: { content } };
      await rest().post(`/interactions/${interaction}/${token}/callback`, { body, auth: false });
    },
    failure: async (channel) => {
      const error: unknown = await rest()
        .get(`/channels/${channel}`)
        .catch((thrown: unknown) => thrown);
      return fieldsOf(error);
    },
  };
}

function discordeno(url: string): Library {
  const rest = createRestManager({
    token: SIMULATED_TOKEN,
    applicationId: '1',
    proxy: { baseUrl: `${url}/api`, authorization: `Bot ${SIMULATED_TOKEN}` },
    logger: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} },
  });
  return {
    name: '@discordeno/rest',
    me: async () => (await rest.get<{ id: string }>('/users/@me')).id,
    post: async (channel, content) => messageOf(await rest.sendMessage(channel, { content })),
    upload: async (channel, content, name, file) => {
      const files = [{ name, blob: new Blob([new Uint8Array(file)]) }];
      return messageOf(await rest.sendMessage(channel, { content, files }));
    },
    list: async (channel, limit) =>
      (await rest.getMessages(channel, { limit })).map((message) => messageOf(message)),
    remove: (channel, message, reason) => rest.deleteMessage(channel, message, reason),
    execute: async (webhook, token, content) => {
      const message = await rest.executeWebhook(webhook, token, { content, wait: true });
      if (message === undefined) throw new Error('the webhook said nothing');
      return messageOf(message);
    },
    answer: async (interaction, token, content) => {
      await rest.sendInteractionResponse(interaction, token, {
        type: CALLBACK_TYPE,
        data: { content },
      });
    },
    failure: async (channel) => {
      const error: unknown = await rest.getChannel(channel).catch((thrown: unknown) => thrown);
      const { cause } = error as { cause: { status: number; body: string } };
      return { status: cause.status, code: JSON.parse(cause.body).code };
    },
  };
}

function oceanic(url: string): Library {
  const client = new Oceanic({
    auth: `Bot ${SIMULATED_TOKEN}`,
    rest: { baseURL: `${url}/api/v10` },
  });
  const { rest } = client;
  return {
    name: 'oceanic.js',
    me: async () => (await rest.oauth.getCurrentUser()).id,
    post: async (channel, content) =>
      messageOf(await rest.channels.createMessage(channel, { content })),
    upload: async (channel, content, name, file) => {
      const files = [{ name, contents: file }];
      return messageOf(await rest.channels.createMessage(channel, { content, files }));
    },
    list: async (channel, limit) =>
      (await rest.channels.getMessages(channel, { limit })).map((message) => messageOf(message)),
    remove: (channel, message, reason) => rest.channels.deleteMessage(channel, message, reason),
    execute: async (webhook, token, content) =>
      messageOf(await rest.webhooks.execute(webhook, token, { content, wait: true })),
    answer: async (interaction, token, content) => {
      await rest.interactions.createInteractionResponse(interaction, token, {
        type: CALLBACK_TYPE,
        data: { content },
      });
    },
    failure: async (channel) => {
      const error: unknown = await rest.channels.get(channel).catch((thrown: unknown) => thrown);
      return fieldsOf(error);
    },
  };
}

const messageOf = (message: { readonly id: unknown; readonly content?: string }): Message => ({
  id: String(message.id),
  content: message.content ?? '',
});

function fieldsOf(error: unknown): { readonly status: unknown; readonly code: unknown } {
  const { status, code } = error as { status: unknown; code: unknown };
  return { status, code };
}

type Stage = {
  readonly simulator: Simulator;
  readonly url: string;
  readonly channels: readonly string[];
  /** Every request as the simulator got it. */
  readonly seen: RestRequest[];
};

async function createStage(): Promise<Stage> {
  const simulator = await startSimulator({ seed: 4, guildCount: 3 });
  onTestFinished(() => simulator.close());
  const { url } = await openProxy(`127.0.0.1:${simulator.port}`);
  const { rest, world } = simulator.discord;
  const seen: RestRequest[] = [];
  const handle = rest.handle.bind(rest);
  rest.handle = (request) => {
    seen.push(request);
    return handle(request);
  };
  const channels = world.guildIds.map(
    (id) => world.guild(id)?.channels.find(({ type }) => type === 0)?.id ?? '',
  );
  return { simulator, url, channels, seen };
}

const LIBRARIES: readonly (readonly [name: string, make: (url: string) => Library])[] = [
  [
    '@discordjs/rest',
    (url) => {
      const rest = new REST({ version: '10', api: `${url}/api` }).setToken(SIMULATED_TOKEN);
      return discordJsRest('@discordjs/rest', () => rest);
    },
  ],
  [
    '@discordjs/rest, new each time',
    (url) =>
      discordJsRest('@discordjs/rest, new each time', () =>
        new REST({
          version: '10',
          api: `${url}/api`,
          hashSweepInterval: 0,
          handlerSweepInterval: 0,
        }).setToken(SIMULATED_TOKEN),
      ),
  ],
  ['@discordeno/rest', discordeno],
  ['oceanic.js', oceanic],
];

const header = ({ headers }: RestRequest, name: string): string | undefined =>
  headers.find(([key]) => key === name)?.[1];

async function createWebhook(url: string, channel: string): Promise<{ id: string; token: string }> {
  const answer = await fetch(`${url}/api/v10/channels/${channel}/webhooks`, {
    method: 'POST',
    headers: { authorization: `Bot ${SIMULATED_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Bell' }),
  });
  return (await answer.json()) as { id: string; token: string };
}

describe.each(LIBRARIES)('%s, unmodified, through the HTTP door', (_name, make) => {
  it('does what it does with Discord', async () => {
    const { simulator, url, channels, seen } = await createStage();
    const [channel = ''] = channels;
    const library = make(url);
    const { world, rest } = simulator.discord;
    expect(await library.me()).toBe(world.bot.id);

    const posted = await library.post(channel, 'plain 🎉');
    expect(world.message(channel, posted.id)?.content).toBe('plain 🎉');
    const [last] = await library.list(channel, 1);
    expect(last).toMatchObject({ id: posted.id, content: 'plain 🎉' });
    // As the library writes it: one of them begins its queries with `?&`.
    expect(seen.at(-1)?.path).toMatch(/\/messages\?&?limit=1$/);

    const file = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256));
    const uploaded = await library.upload(channel, 'with a file', 'bytes.bin', file);
    expect(world.message(channel, uploaded.id)?.attachments).toMatchObject([
      { filename: 'bytes.bin' },
    ]);
    const upload = seen.at(-1);
    expect(upload && header(upload, 'content-type')).toMatch(/^multipart\/form-data; ?boundary=/);
    expect(Buffer.from(upload?.body ?? []).includes(file)).toBe(true);

    await library.remove(channel, uploaded.id, 'because: 100% “sure”');
    expect(world.message(channel, uploaded.id)).toBeUndefined();
    const reason = seen.map((one) => header(one, 'x-audit-log-reason')).find((one) => one);
    expect(reason).toBe(encodeURIComponent('because: 100% “sure”'));

    const webhook = await createWebhook(url, channel);
    const rung = await library.execute(webhook.id, webhook.token, 'ding');
    expect(world.message(channel, rung.id)).toMatchObject({ webhook_id: webhook.id });
    const interactionToken = 'aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTA';
    await library.answer('99', interactionToken, 'pong');
    expect(rest.audit.posted.at(-1)?.content).toBe('pong');
    // What the path's own token authorises goes without the bot's, whatever the library sent.
    for (const request of seen.filter(({ path }) => /webhooks\/\d+\/|interactions/.test(path))) {
      expect(header(request, 'authorization')).toBeUndefined();
    }

    expect(await library.failure('123')).toEqual({ status: 404, code: 10_003 });
    expect(rest.audit.breaches).toEqual([]);
  });
});

describe('all of them at once, with one token', () => {
  it('meet no 429', async () => {
    const { simulator, url, channels } = await createStage();
    const libraries = LIBRARIES.map(([, make]) => make(url));
    const [first = '', second = ''] = channels;
    const webhook = await createWebhook(url, first);
    const work: Promise<unknown>[] = [];
    for (const [index, library] of libraries.entries()) {
      for (let round = 0; round < 3; round++) {
        work.push(library.post(first, `${index}.${round}`), library.post(second, 'x'));
        work.push(library.execute(webhook.id, webhook.token, 'ring'), library.list(first, 2));
        work.push(library.me(), library.me());
      }
    }
    const ends = await Promise.allSettled(work);
    expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
    const { audit } = simulator.discord.rest;
    expect(audit.answers(429)).toBe(0);
    expect(audit.breaches).toEqual([]);
    expect(audit.answers(200, 'POST /channels/:channel/messages')).toBe(24);
  });
});

describe('discord.js, the whole client, with its REST through the HTTP door', () => {
  it('logs in, posts, and speaks through a webhook of its own', async () => {
    const { simulator, url, seen } = await createStage();
    const client = new DiscordJs({ intents: ['Guilds'], rest: { api: `${url}/api` } });
    onTestFinished(() => client.destroy());
    const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
    await client.login(SIMULATED_TOKEN);
    await ready;
    expect(seen.some(({ path }) => path.endsWith('/gateway/bot'))).toBe(true);
    const channel = client.channels.cache.find((one) => one.type === 0);
    if (channel === undefined || !('send' in channel) || !('createWebhook' in channel)) {
      throw new Error('no text channel');
    }
    const message = await channel.send('hello');
    await message.edit('hello again');
    await message.react('👍');
    const webhook = await channel.createWebhook({ name: 'Bell' });
    const rung = await webhook.send('ding');
    await webhook.editMessage(rung.id, 'dong');
    await webhook.delete('done with');
    const { audit } = simulator.discord.rest;
    expect(audit.posted.map(({ content }) => content)).toEqual(['hello', 'ding']);
    expect(audit.answers(429)).toBe(0);
    expect(audit.breaches).toEqual([]);
  });
});
