/**
 * Pinned messages, reactions that are taken away, and single commands, as the simulated REST API
 * has them.
 */
import { describe, expect, it } from 'vitest';
import { RestBench } from '../support/rest-bench.ts';

describe('pins', () => {
  it('are made and taken away by either route, told of, and listed with the latest first', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const [one, two] = ['one', 'two'].map((text) => bench.post(channel, text).json.id);
    const path = `/channels/${channel}`;
    bench.events.length = 0;
    expect(bench.send('PUT', `${path}/messages/pins/${one}`).status).toBe(204);
    bench.clock.advance(1_000);
    expect(bench.send('PUT', `${path}/pins/${two}`).status).toBe(204);
    const told = bench.events.map(({ t }) => t);
    const pinned = ['MESSAGE_UPDATE', 'CHANNEL_PINS_UPDATE', 'GUILD_AUDIT_LOG_ENTRY_CREATE'];
    expect(told).toEqual([...pinned, ...pinned]);
    const ids = (messages: readonly { id: string }[]) => messages.map(({ id }) => id);
    expect(ids(bench.send('GET', `${path}/pins`).json)).toEqual([two, one]);
    const first = bench.send('GET', `${path}/messages/pins?limit=1`).json;
    expect(first).toMatchObject({
      has_more: true,
      items: [{ message: { id: two, pinned: true } }],
    });
    const before = encodeURIComponent(first.items[0].pinned_at);
    const rest = bench.send('GET', `${path}/messages/pins?before=${before}`).json;
    expect(rest).toMatchObject({ has_more: false, items: [{ message: { id: one } }] });
    expect(bench.send('DELETE', `${path}/pins/${one}`).status).toBe(204);
    expect(ids(bench.send('GET', `${path}/pins`).json)).toEqual([two]);
    expect(bench.send('PUT', `${path}/pins/1`).json.code).toBe(10008);
    expect(bench.send('GET', `${path}/messages/pins?limit=51`).json.code).toBe(50035);
  });
});

describe('reactions', () => {
  it('are taken away by user, by emoji and all at once, and each is told of once', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const { id } = bench.post(channel, 'look').json;
    const path = `/channels/${channel}/messages/${id}/reactions`;
    const [up, down] = ['👍', '👎'].map(encodeURIComponent);
    const { id: botId } = bench.world.bot;
    const react = (emoji = '') => bench.send('PUT', `${path}/${emoji}/@me`).status;
    const remove = (rest: string) => {
      bench.clock.advance(1_000);
      return bench.send('DELETE', `${path}${rest}`).status;
    };
    for (const rest of [`/${up}/1`, `/${up}/${botId}`, `/${up}`, '']) {
      bench.clock.advance(1_000);
      react(up);
      bench.clock.advance(1_000);
      react(down);
      bench.events.length = 0;
      expect([rest, remove(rest), remove(rest)]).toEqual([rest, 204, 204]);
      const told = bench.events.map(({ t }) => t);
      const expected: Readonly<Record<string, readonly string[]>> = {
        [`/${up}/1`]: [],
        [`/${up}/${botId}`]: ['MESSAGE_REACTION_REMOVE'],
        [`/${up}`]: ['MESSAGE_REACTION_REMOVE_EMOJI'],
        '': ['MESSAGE_REACTION_REMOVE_ALL'],
      };
      expect(told).toEqual(expected[rest]);
    }
    expect(bench.send('GET', `${path}/${up}`).json).toEqual([]);
    expect(bench.send('GET', `${path}/${down}`).json).toEqual([]);
  });
});

describe('a single command', () => {
  it('is shown, edited and deleted, globally and of a guild', () => {
    const bench = new RestBench();
    const [guildId] = bench.world.guildIds;
    const application = `/applications/${bench.world.application.id}`;
    for (const path of [`${application}/commands`, `${application}/guilds/${guildId}/commands`]) {
      const json = { name: 'ping', description: 'Answers' };
      const made = bench.send('POST', path, { json }).json;
      expect(bench.send('GET', `${path}/${made.id}`).json).toEqual(made);
      const edited = bench.send('PATCH', `${path}/${made.id}`, { json: { description: 'Says' } });
      expect(edited.json).toMatchObject({ id: made.id, name: 'ping', description: 'Says' });
      expect(edited.json.version).not.toBe(made.version);
      expect(bench.send('PATCH', `${path}/${made.id}`, { json: { name: '' } }).json.code).toBe(
        50035,
      );
      expect(bench.send('DELETE', `${path}/${made.id}`).status).toBe(204);
      expect(bench.send('GET', `${path}/${made.id}`).json.code).toBe(10063);
    }
  });
});
