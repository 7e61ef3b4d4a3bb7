import { describe, expect, it } from 'vitest';
import { RestBench, START_EPOCH_MS, TOKEN } from '../support/rest-bench.ts';

describe('the gate of the API', () => {
  it('refuses a version that is not on offer', () => {
    const bench = new RestBench();
    const got = bench.send('GET', '/api/v5/gateway');
    expect([got.status, got.json]).toEqual([400, { message: 'Invalid API version', code: 50041 }]);
    for (const version of ['', '/v6', '/v9', '/v10']) {
      expect(bench.send('GET', `/api${version}/gateway`).status).toBe(200);
    }
  });

  it('knows no other paths and no other methods', () => {
    const bench = new RestBench();
    const missing = bench.send('GET', '/nonsense');
    expect([missing.status, missing.json]).toEqual([404, { message: '404: Not Found', code: 0 }]);
    const method = bench.send('DELETE', '/users/@me');
    expect([method.status, method.json]).toEqual([
      405,
      { message: '405: Method Not Allowed', code: 0 },
    ]);
    expect(bench.send('GET', '/api/v10/channels/../users/@me').status).toBe(400);
    expect(bench.send('POST', '/lobbies', { json: {} }).status).toBe(501);
  });

  it.each([
    ['no token', { token: null }],
    ['a wrong token', { token: 'wrong' }],
    ['a token without its scheme', { authorization: TOKEN }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['a bearer that nobody issued', { authorization: `Bearer ${TOKEN}` }],
  ])('answers 401 to %s', (_, sent) => {
    const bench = new RestBench();
    const got = bench.send('GET', '/users/@me', sent);
    expect([got.status, got.json]).toEqual([401, { message: '401: Unauthorized', code: 0 }]);
    expect(bench.rest.audit.breachCount('unauthorized')).toBe(1);
  });

  it('takes a bearer where a user may act, and no further', () => {
    const bench = new RestBench({ bearerTokens: ['of-a-user'] });
    const sent = { authorization: 'Bearer of-a-user' };
    expect(bench.send('GET', '/users/@me', sent).status).toBe(200);
    expect(bench.send('GET', '/gateway/bot', sent).status).toBe(401);
    expect(bench.send('GET', `/channels/${bench.channels[0]}`, sent).status).toBe(401);
  });

  it('forgets a token that the gateway reset', () => {
    const bench = new RestBench();
    bench.credentials.reset();
    expect(bench.send('GET', '/users/@me').status).toBe(401);
  });

  it('turns a client without a User-Agent away at the edge', () => {
    const send = (bench: RestBench, agent: string) =>
      bench.send('GET', '/users/@me', { headers: { 'user-agent': agent } });
    const bench = new RestBench();
    const got = send(bench, '');
    expect(got.status).toBe(403);
    expect(got.headers['content-type']).toContain('text/html');
    expect(got.text).toContain('1010');
    expect(send(bench, 'curl/8').status).toBe(200);
    const strict = new RestBench({ userAgent: 'documented' });
    expect(send(strict, 'curl/8').status).toBe(403);
    expect(send(strict, 'DiscordBot (https://example.org, 2) Node').status).toBe(200);
    expect(send(new RestBench({ userAgent: 'any' }), '').status).toBe(200);
  });

  it('answers HEAD as GET without a body', () => {
    const got = new RestBench().send('HEAD', '/users/@me');
    expect([got.status, got.text]).toEqual([200, '']);
  });

  it('answers fixed stubs for what is not simulated', () => {
    const stubs = { 'GET /voice/regions': { status: 200, body: [] } };
    const bench = new RestBench({ stubs });
    expect(bench.send('GET', '/voice/regions').json).toEqual([]);
  });
});

describe('what a bot asks at its start', () => {
  it('is answered from the gateway and the world', () => {
    const bench = new RestBench();
    expect(bench.send('GET', '/gateway', { token: null }).json).toEqual({
      url: 'ws://127.0.0.1:4100',
    });
    const gateway = bench.send('GET', '/gateway/bot');
    expect(gateway.json).toEqual({
      url: 'ws://127.0.0.1:4100',
      shards: 4,
      session_start_limit: { total: 1000, remaining: 990, reset_after: 5, max_concurrency: 2 },
    });
    expect(gateway.headers['x-ratelimit-limit']).toBe('2');
    expect(bench.send('GET', '/users/@me').json).toMatchObject({
      id: bench.world.bot.id,
      bot: true,
      mfa_enabled: true,
    });
    for (const path of ['/applications/@me', '/oauth2/applications/@me']) {
      expect(bench.send('GET', path).json).toMatchObject({
        id: bench.world.application.id,
        bot: { id: bench.world.bot.id },
        verify_key: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
  });

  it('holds guilds, channels, members and users', () => {
    const bench = new RestBench();
    const [guildId] = bench.world.guildIds;
    const guild = bench.send('GET', `/guilds/${guildId}?with_counts=true`).json;
    expect(guild.id).toBe(guildId);
    expect(guild.approximate_member_count).toBeGreaterThan(0);
    const channels = bench.send('GET', `/guilds/${guildId}/channels`).json;
    expect(channels).toContainEqual(bench.send('GET', `/channels/${channels[0].id}`).json);
    const memberPath = `/guilds/${guildId}/members/${guild.owner_id}`;
    expect(bench.send('GET', memberPath).json.user.id).toBe(guild.owner_id);
    expect(bench.send('GET', `/users/${guild.owner_id}`).json.id).toBe(guild.owner_id);
    const rolePath = `${memberPath}/roles/${guild.roles[1].id}`;
    expect(bench.send('PUT', rolePath).status).toBe(204);
  });

  it.each([
    ['/users/1', 404, 10013],
    ['/guilds/1', 404, 10004],
    ['/channels/1', 404, 10003],
  ])('GET %s is %d, code %d', (path, status, code) => {
    const got = new RestBench().send('GET', path);
    expect([got.status, got.json.code]).toEqual([status, code]);
  });

  it('opens a direct-message channel with those who have one, and posts to it', () => {
    const bench = new RestBench();
    const [direct] = bench.world.directChannels;
    const recipient = direct?.recipients?.[0]?.id ?? '';
    const open = (id: unknown) =>
      bench.send('POST', '/users/@me/channels', { json: { recipient_id: id } });
    const opened = open(recipient);
    expect(opened.json).toMatchObject({ id: direct?.id, type: 1 });
    expect(bench.post(opened.json.id, 'hello').status).toBe(200);
    expect(bench.events[0]).toMatchObject({ t: 'MESSAGE_CREATE', guildId: null });
    expect(open('1').json.code).toBe(50033);
    expect(open('nobody').json.errors.recipient_id._errors[0].code).toBe('NUMBER_TYPE_COERCE');
  });
});

describe('posting a message', () => {
  it('shows it to the gateway, to readers and to the judge', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const got = bench.post(channel, 'pong');
    expect(got.status).toBe(200);
    expect(got.json).toMatchObject({
      content: 'pong',
      channel_id: channel,
      author: { id: bench.world.bot.id },
      edited_timestamp: null,
    });
    expect(bench.events).toHaveLength(1);
    expect(bench.events[0]).toMatchObject({
      t: 'MESSAGE_CREATE',
      guildId: bench.world.guildIds[0],
      d: { id: got.json.id, content: 'pong' },
    });
    expect(bench.rest.audit.posted).toEqual([
      {
        atMs: 0,
        channelId: channel,
        messageId: got.json.id,
        authorId: bench.world.bot.id,
        content: 'pong',
      },
    ]);
    expect(bench.send('GET', `/channels/${channel}/messages/${got.json.id}`).json.id).toBe(
      got.json.id,
    );
    expect(bench.send('GET', `/channels/${channel}`).json.last_message_id).toBe(got.json.id);
  });

  it('takes a form with files and the JSON in one part', () => {
    const bench = new RestBench();
    const payload = JSON.stringify({
      content: 'see "this"',
      attachments: [{ id: 1, description: 'a picture' }],
    });
    const body = [
      '--b0undary',
      'Content-Disposition: form-data; name="payload_json"',
      'Content-Type: application/json',
      '',
      payload,
      '--b0undary',
      'Content-Disposition: form-data; name="files[1]"; filename="a \\"b\\".png"',
      'Content-Type: image/png',
      '',
      'bytes\r\n--with-dashes',
      '--b0undary--',
      '',
    ].join('\r\n');
    const headers = { 'content-type': 'multipart/form-data; boundary=b0undary' };
    const got = bench.send('POST', `/channels/${bench.channels[0]}/messages`, { body, headers });
    expect(got.status).toBe(200);
    expect(got.json.content).toBe('see "this"');
    expect(got.json.attachments).toHaveLength(1);
    expect(got.json.attachments[0]).toMatchObject({
      filename: 'a "b".png',
      description: 'a picture',
    });
    const fileAlone = body.replace(payload, '{}');
    const [, other] = bench.channels;
    expect(
      bench.send('POST', `/channels/${other}/messages`, { body: fileAlone, headers }).status,
    ).toBe(200);
    const broken = body.replace('--b0undary--', '');
    expect(
      bench.send('POST', `/channels/${other}/messages`, { body: broken, headers }).json.code,
    ).toBe(50035);
  });

  it('takes a form without JSON and turns its texts into what they mean', () => {
    const bench = new RestBench();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = 'content=Hello%2C+World!&tts=true';
    const got = bench.send('POST', `/channels/${bench.channels[0]}/messages`, { body, headers });
    expect(got.json).toMatchObject({ content: 'Hello, World!', tts: true });
  });

  it.each<[string, unknown, unknown]>([
    [
      'a text that is too long',
      { content: 'x'.repeat(2_001) },
      { content: [['BASE_TYPE_MAX_LENGTH', 'Must be 2000 or fewer in length.']] },
    ],
    ['content that is no text', { content: {} }, { content: [['STRING_TYPE_CONVERT']] }],
    [
      'an embed that is wrong inside',
      { embeds: [{ title: 'ok' }, { fields: [{ name: 'x'.repeat(257) }] }] },
      {
        'embeds.1.fields.0.name': [['BASE_TYPE_MAX_LENGTH']],
        'embeds.1.fields.0.value': [['BASE_TYPE_REQUIRED', 'This field is required']],
      },
    ],
    ['too many embeds', { embeds: Array(11).fill({}) }, { embeds: [['BASE_TYPE_MAX_LENGTH']] }],
    [
      'embeds too long together',
      { embeds: Array(2).fill({ description: 'x'.repeat(3_001) }) },
      { embeds: [['MAX_EMBED_SIZE_EXCEEDED']] },
    ],
    [
      'a reply to a message that is not there',
      { content: 'x', message_reference: { message_id: '5' } },
      { message_reference: [['MESSAGE_REFERENCE_UNKNOWN_MESSAGE']] },
    ],
    [
      'a flag that is no number',
      { content: 'x', flags: 'no' },
      { flags: [['NUMBER_TYPE_COERCE']] },
    ],
  ])('refuses %s as 50035 with nested errors', (_, json, expected) => {
    const bench = new RestBench();
    const got = bench.send('POST', `/channels/${bench.channels[0]}/messages`, { json });
    expect(got.status).toBe(400);
    expect(got.json).toMatchObject({ code: 50035, message: 'Invalid Form Body' });
    for (const [path, errors] of Object.entries(expected as Record<string, string[][]>)) {
      const node = path.split('.').reduce((tree, key) => tree[key], got.json.errors);
      expect(node._errors.map(({ code }: { code: string }) => code)).toEqual(
        errors.map(([code]) => code),
      );
      const message = errors[0]?.[1];
      if (message !== undefined) expect(node._errors[0].message).toBe(message);
    }
    expect(bench.events).toEqual([]);
  });

  it.each<[string, unknown, number, number]>([
    ['an empty text', { content: ' ' }, 400, 50006],
    ['nothing', {}, 400, 50006],
  ])('refuses %s', (_, json, status, code) => {
    const bench = new RestBench();
    const got = bench.send('POST', `/channels/${bench.channels[0]}/messages`, { json });
    expect([got.status, got.json.code]).toEqual([status, code]);
  });

  it('refuses what it cannot read, cannot find, or may not touch', () => {
    const bench = new RestBench();
    const [channel, other] = bench.channels;
    const path = `/channels/${channel}/messages`;
    const headers = { 'content-type': 'application/json' };
    expect(bench.send('POST', path, { body: '{', headers }).json.code).toBe(50109);
    expect(bench.send('POST', path, { body: 'x', headers: {} }).json.code).toBe(50035);
    expect(bench.post('1', 'x').json).toEqual({ message: 'Unknown Channel', code: 10003 });
    expect(bench.post('general', 'x').json.errors.channel_id._errors[0].message).toBe(
      'Value "general" is not snowflake.',
    );
    bench.rest.forbidChannel(other);
    const forbidden = bench.post(other, 'x');
    expect([forbidden.status, forbidden.json.code]).toEqual([403, 50001]);
    bench.rest.allowChannel(other);
    expect(bench.post(other, 'x').status).toBe(200);
    const category = bench.world
      .guild(bench.world.guildIds[0] ?? '')
      ?.channels.find(({ type }) => type === 4);
    expect(bench.post(category?.id ?? '', 'x').json.code).toBe(50008);
  });

  it('posts once under an enforced nonce', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const send = (enforce: boolean) =>
      bench.send('POST', `/channels/${channel}/messages`, {
        json: { content: 'x', nonce: '42', enforce_nonce: enforce },
      }).json.id;
    const first = send(true);
    expect(send(true)).toBe(first);
    expect(bench.rest.audit.posted).toHaveLength(1);
    expect(send(false)).not.toBe(first);
  });
});

describe('messages that are there', () => {
  it('can be edited and deleted by their author', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const { id } = bench.post(channel, 'before').json;
    const path = `/channels/${channel}/messages/${id}`;
    const edited = bench.send('PATCH', path, { json: { content: 'after' } });
    expect(edited.json).toMatchObject({ id, content: 'after' });
    expect(edited.json.edited_timestamp).not.toBeNull();
    expect(bench.send('DELETE', path).status).toBe(204);
    expect(bench.events.map(({ t }) => t)).toEqual([
      'MESSAGE_CREATE',
      'MESSAGE_UPDATE',
      'MESSAGE_DELETE',
    ]);
    expect(bench.send('DELETE', path).json).toEqual({ message: 'Unknown Message', code: 10008 });
    const owner = bench.world.user(bench.world.guild(bench.world.guildIds[0] ?? '')?.ownerId ?? '');
    if (owner === undefined) throw new Error('the guild has no owner');
    const foreign = bench.world.postMessage(channel, owner, { content: 'x' }, START_EPOCH_MS);
    const foreignPath = `/channels/${channel}/messages/${foreign?.message.id}`;
    expect(bench.send('PATCH', foreignPath, { json: { content: 'y' } }).json.code).toBe(50005);
  });

  it('are listed from the newest on, within bounds', () => {
    const bench = new RestBench({ buckets: { 'GET /channels/:channel/messages': [] } });
    const [channel] = bench.channels;
    const ids: string[] = [];
    for (let count = 0; count < 6; count++) {
      ids.push(bench.post(channel, String(count)).json.id);
      bench.clock.advance(1_000);
    }
    const list = (query: string) =>
      bench
        .send('GET', `/channels/${channel}/messages${query}`)
        .json.map(({ content }: { content: string }) => content)
        .join('');
    expect(list('')).toBe('543210');
    expect(list('?limit=2')).toBe('54');
    expect(list(`?before=${ids[3]}&limit=2`)).toBe('21');
    expect(list(`?after=${ids[1]}&limit=2`)).toBe('32');
    expect(list(`?around=${ids[3]}&limit=3`)).toBe('432');
    const path = `/channels/${channel}/messages`;
    expect(bench.send('GET', `${path}?limit=101`).json.errors.limit._errors[0].code).toBe(
      'NUMBER_TYPE_MAX',
    );
    expect(bench.send('GET', `${path}?limit=0`).json.errors.limit._errors[0].code).toBe(
      'NUMBER_TYPE_MIN',
    );
    expect(bench.send('GET', `${path}?before=x`).json.code).toBe(50035);
    const json = { messages: ids.slice(0, 2) };
    expect(bench.send('POST', `${path}/bulk-delete`, { json }).status).toBe(204);
    expect(list('')).toBe('5432');
  });

  it('take reactions, by any spelling of an emoji that exists', () => {
    const bench = new RestBench({
      buckets: { 'PUT /channels/:channel/messages/:message/reactions/:emoji/@me': [] },
    });
    const [channel] = bench.channels;
    const { id } = bench.post(channel, 'x').json;
    const path = (emoji: string) => `/channels/${channel}/messages/${id}/reactions/${emoji}`;
    for (const emoji of [
      '%F0%9F%94%A5',
      'name%3A123456789012345678',
      'a:dance:99',
      '%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9',
      '1%EF%B8%8F%E2%83%A3',
    ]) {
      expect(bench.send('PUT', `${path(emoji)}/@me`).status).toBe(204);
    }
    expect(bench.send('PUT', `${path('nonsense')}/@me`).json.code).toBe(10014);
    expect(bench.send('GET', path('%F0%9F%94%A5')).json).toEqual([bench.world.bot]);
    expect(bench.send('DELETE', `${path('%F0%9F%94%A5')}/@me`).status).toBe(204);
    const names = bench.events.map(({ t }) => t);
    expect(names.filter((name) => name === 'MESSAGE_REACTION_ADD')).toHaveLength(5);
    expect(names.at(-1)).toBe('MESSAGE_REACTION_REMOVE');
    expect(bench.events[1]?.d).toMatchObject({ emoji: { id: null, name: '🔥' }, message_id: id });
  });

  it('are announced by typing', () => {
    const bench = new RestBench();
    expect(bench.send('POST', `/channels/${bench.channels[0]}/typing`).status).toBe(204);
    expect(bench.events[0]).toMatchObject({
      t: 'TYPING_START',
      d: { user_id: bench.world.bot.id, timestamp: START_EPOCH_MS / 1_000 },
    });
  });
});

describe('interactions and commands', () => {
  it('answers an interaction once', () => {
    const bench = new RestBench();
    const path = '/interactions/55/aW50ZXJhY3Rpb246NTU/callback';
    const send = () => bench.send('POST', path, { json: { type: 5 }, token: null });
    expect(send().status).toBe(204);
    expect(send().json.code).toBe(40060);
  });

  it('keeps commands by scope', () => {
    const bench = new RestBench();
    const [guildId] = bench.world.guildIds;
    const base = `/applications/${bench.world.application.id}`;
    const command = { name: 'ping', description: 'answers' };
    const put = bench.send('PUT', `${base}/commands`, { json: [command] });
    expect(put.status).toBe(200);
    expect(put.json[0]).toMatchObject({
      ...command,
      type: 1,
      application_id: bench.world.application.id,
    });
    const again = bench.send('PUT', `${base}/commands`, { json: [command] });
    expect(again.json[0].id).toBe(put.json[0].id);
    expect(bench.send('GET', `${base}/commands`).json).toEqual(again.json);
    expect(bench.send('GET', `${base}/guilds/${guildId}/commands`).json).toEqual([]);
    const wrong = bench.send('PUT', `${base}/commands`, { json: [command, { name: '' }] });
    expect(Object.keys(wrong.json.errors)).toEqual(['1']);
    expect(bench.send('GET', '/applications/1/commands').json.code).toBe(20012);
  });
});
