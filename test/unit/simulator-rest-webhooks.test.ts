/** Webhooks and the messages that follow an interaction, as the simulated REST API has them. */
import { describe, expect, it } from 'vitest';
import { CHANNEL_WEBHOOKS_MAX } from '../../protocols/limits.ts';
import { RestBench } from '../support/rest-bench.ts';

const INTERACTION = 'aW50ZXJhY3Rpb246MTIzNDU2Nzg5';

function stage() {
  const bench = new RestBench();
  const [channel] = bench.channels;
  const created = bench.send('POST', `/channels/${channel}/webhooks`, { json: { name: 'Bell' } });
  const { id, token } = created.json as { id: string; token: string };
  const followUp = `/webhooks/${bench.world.application.id}/${INTERACTION}`;
  return { bench, channel, created, id, path: `/webhooks/${id}/${token}`, followUp };
}

describe('webhooks', () => {
  it('are made, listed, renamed and taken away', () => {
    const { bench, channel, created, id, path } = stage();
    expect(created.json).toMatchObject({ type: 1, name: 'Bell', channel_id: channel });
    expect(created.json.user.id).toBe(bench.world.bot.id);
    for (const list of [
      `/channels/${channel}/webhooks`,
      `/guilds/${created.json.guild_id}/webhooks`,
    ]) {
      expect(bench.send('GET', list).json).toEqual([created.json]);
    }
    const renamed = bench.send('PATCH', path, { token: null, json: { name: 'Chime' } });
    expect(renamed.json).toMatchObject({ name: 'Chime' });
    expect(renamed.json.user).toBeUndefined();
    expect(bench.send('DELETE', `/webhooks/${id}`).status).toBe(204);
    expect(bench.send('GET', path, { token: null }).json).toMatchObject({ code: 10015 });
  });

  it('post under their name, answer with the message if asked to, and have a bucket', () => {
    const { bench, id, path } = stage();
    const silent = bench.send('POST', path, { token: null, json: { content: 'one' } });
    expect([silent.status, silent.text]).toEqual([204, '']);
    expect(silent.headers['x-ratelimit-limit']).toBe('5');
    const told = bench.send('POST', `${path}?wait=true`, {
      token: null,
      json: { content: 'two', username: 'Somebody' },
    });
    expect(told.json).toMatchObject({
      content: 'two',
      webhook_id: id,
      author: { id, username: 'Somebody', bot: true },
    });
    expect(bench.rest.audit.posted.map(({ content }) => content)).toEqual(['one', 'two']);
    const message = `${path}/messages/${told.json.id}`;
    const edited = bench.send('PATCH', message, { token: null, json: { content: 'three' } });
    expect(edited.json).toMatchObject({ content: 'three', webhook_id: id });
    expect(bench.send('GET', message, { token: null }).json.content).toBe('three');
    expect(bench.send('DELETE', message, { token: null }).status).toBe(204);
    expect(bench.send('GET', message, { token: null }).json).toMatchObject({ code: 10008 });
  });

  it('refuse a wrong token, a message of somebody else, a name and one too many', () => {
    const { bench, channel, id, path } = stage();
    const wrong = bench.send('POST', `/webhooks/${id}/wrong`, { token: null, json: {} });
    expect([wrong.status, wrong.json.code]).toEqual([401, 50027]);
    const other = bench.post(channel, 'of the bot').json.id;
    expect(bench.send('GET', `${path}/messages/${other}`, { token: null }).json.code).toBe(10008);
    const empty = bench.send('POST', path, { token: null, json: {} });
    expect([empty.status, empty.json.code]).toEqual([400, 50006]);
    const name = { json: { name: 'Discord' } };
    expect(bench.send('POST', `/channels/${channel}/webhooks`, name).json.code).toBe(50035);
    for (let count = 1; count < CHANNEL_WEBHOOKS_MAX; count++) {
      bench.clock.advance(10_000);
      const more = bench.send('POST', `/channels/${channel}/webhooks`, { json: { name: 'x' } });
      expect(more.status).toBe(200);
    }
    bench.clock.advance(10_000);
    const last = bench.send('POST', `/channels/${channel}/webhooks`, { json: { name: 'x' } });
    expect(last.json.code).toBe(30007);
  });
});

describe('what follows an interaction', () => {
  it('is unknown before the answer', () => {
    const { bench, followUp } = stage();
    const early = bench.send('POST', followUp, { token: null, json: { content: 'early' } });
    expect([early.status, early.json.code]).toEqual([404, 10015]);
  });

  it('edits the answer, adds to it and takes it away', () => {
    const { bench, followUp } = stage();
    const json = { type: 4, data: { content: 'pong' } };
    const callback = `/interactions/99/${INTERACTION}/callback`;
    expect(bench.send('POST', callback, { token: null, json }).status).toBe(204);
    const original = `${followUp}/messages/@original`;
    expect(bench.send('GET', original, { token: null }).json.content).toBe('pong');
    const edit = { token: null, json: { content: 'pong!' } };
    expect(bench.send('PATCH', original, edit).json.content).toBe('pong!');
    const more = bench.send('POST', followUp, { token: null, json: { content: 'more' } });
    expect(more.json.webhook_id).toBe(bench.world.application.id);
    const second = `${followUp}/messages/${more.json.id}`;
    expect(bench.send('DELETE', second, { token: null }).status).toBe(204);
    expect(bench.send('DELETE', original, { token: null }).status).toBe(204);
    expect(bench.send('GET', original, { token: null }).json.code).toBe(10008);
    expect(bench.send('POST', callback, { token: null, json }).json.code).toBe(40060);
  });

  it('gives an answer that was put off', () => {
    const { bench, followUp } = stage();
    const callback = `/interactions/98/${INTERACTION}/callback`;
    bench.send('POST', callback, { token: null, json: { type: 5 } });
    const original = `${followUp}/messages/@original`;
    const late = bench.send('PATCH', original, { token: null, json: { content: 'at last' } });
    expect([late.status, late.json.content]).toEqual([200, 'at last']);
    expect(bench.send('GET', original, { token: null }).json.id).toBe(late.json.id);
  });
});

describe('who may act', () => {
  it('is told to a user, and not to a bot', () => {
    const bench = new RestBench({ bearerTokens: ['of-a-user'] });
    const sent = { authorization: 'Bearer of-a-user' };
    const { status, json } = bench.send('GET', '/oauth2/@me', sent);
    expect([status, json.application.id]).toEqual([200, bench.world.application.id]);
    expect(bench.send('GET', '/oauth2/@me').status).toBe(401);
  });
});

describe('webhooks for other services', () => {
  const SLACK = {
    text: 'said',
    username: 'Builder',
    attachments: [
      {
        pretext: 'before',
        text: 'the text',
        title: 'Build 7',
        title_link: 'https://example.org/7',
        color: '#36a64f',
        fields: [{ title: 'Branch', value: 'main', short: true }],
        footer: 'ci',
        ts: 1_700_000_000,
      },
    ],
  };

  it('take what is made for Slack, as JSON or in a form, and answer as Slack does', () => {
    const { bench, id, path } = stage();
    const form = {
      body: new URLSearchParams({ payload: JSON.stringify({ text: 'in a form' }) }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    for (const sent of [{ json: SLACK }, form]) {
      const got = bench.send('POST', `${path}/slack?wait=true`, { token: null, ...sent });
      expect([got.status, got.text]).toEqual([200, 'ok']);
      expect(got.headers['x-ratelimit-limit']).toBe('5');
    }
    const posted = bench.events.filter(({ t }) => t === 'MESSAGE_CREATE').map(({ d }) => d);
    expect(posted[0]).toMatchObject({
      content: 'said',
      webhook_id: id,
      author: { username: 'Builder' },
      embeds: [
        {
          title: 'Build 7',
          url: 'https://example.org/7',
          description: 'before\nthe text',
          color: 0x36_a6_4f,
          fields: [{ name: 'Branch', value: 'main', inline: true }],
          footer: { text: 'ci' },
          timestamp: '2023-11-14T22:13:20.000Z',
        },
      ],
    });
    expect(posted[1]).toMatchObject({ content: 'in a form' });
  });

  it('show the events of GitHub that Discord shows, and take the others in silence', () => {
    const { bench, path } = stage();
    const repository = { full_name: 'a/b', html_url: 'https://example.org/a/b' };
    const issue = { title: 'It breaks', html_url: 'https://example.org/1', body: 'Look' };
    const sender = { login: 'somebody' };
    const send = (event: string, json: object) =>
      bench.send('POST', `${path}/github`, {
        token: null,
        json: { repository, sender, ...json },
        headers: { 'x-github-event': event },
      });
    const commits = [{ id: '0123456789', message: 'Mend it\n\nAt length.' }];
    for (const [event, json] of [
      ['issues', { action: 'opened', issue }],
      ['push', { commits, compare: 'https://example.org/compare' }],
      ['ping', {}],
      ['workflow_run', {}],
    ] as const) {
      const got = send(event, json);
      expect([event, got.status, got.text]).toEqual([event, 204, '']);
    }
    const embeds = bench.events.flatMap(({ t, d }) =>
      t === 'MESSAGE_CREATE' ? (d as { embeds: object[] }).embeds : [],
    );
    expect(embeds).toMatchObject([
      {
        title: '[a/b] issues opened It breaks',
        url: 'https://example.org/1',
        description: 'Look',
        author: { name: 'somebody' },
      },
      { title: '[a/b] push', description: '`0123456` Mend it', url: 'https://example.org/compare' },
    ]);
  });

  it('refuse what is empty if somebody waits, an unknown webhook, and a thread of another channel', () => {
    const { bench, id, path } = stage();
    const send = (to: string) => bench.send('POST', to, { token: null, json: {} });
    expect(send(`${path}/slack`).json).toMatchObject({ code: 50006 });
    expect(send(`${path}/slack?wait=false`).text).toBe('ok');
    expect(send(`/webhooks/${id}/wrong/slack`).json).toMatchObject({ code: 50027 });
    expect(send(`/webhooks/${id}1/x/github`).json).toMatchObject({ code: 10015 });
    const [, elsewhere] = bench.channels;
    const lost = bench.send('POST', `${path}?thread_id=${elsewhere}`, {
      token: null,
      json: { content: 'lost' },
    });
    expect(lost.json).toMatchObject({ code: 10003 });
    expect(bench.rest.audit.posted).toEqual([]);
  });
});
