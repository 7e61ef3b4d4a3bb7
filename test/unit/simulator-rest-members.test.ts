/** Members of a guild and its bans, as the simulated REST API has them. */
import { describe, expect, it } from 'vitest';
import { idAt } from '../../src/simulator/world/people.ts';
import { RestBench } from '../support/rest-bench.ts';

function stage() {
  const bench = new RestBench();
  const [guildId = ''] = bench.world.guildIds;
  const model = bench.world.guild(guildId);
  if (model === undefined) throw new Error('the world has no guild');
  // The last one to be numbered is in no voice channel, and neither bot nor owner.
  const memberId = idAt(bench.world.seed, model.index, model.memberCount - 1);
  return { bench, model, memberId, ownerId: model.ownerId, path: `/guilds/${guildId}` };
}

const idsOf = (members: readonly { readonly user: { readonly id: string } }[]): readonly string[] =>
  members.map(({ user }) => user.id);

describe('members', () => {
  it('are listed page by page in the order of their ids, each once', () => {
    const { bench, model, path } = stage();
    const ids: string[] = [];
    for (let after = '0'; ; after = ids.at(-1) ?? after) {
      const got = bench.send('GET', `${path}/members?limit=1000&after=${after}`);
      expect(got.status).toBe(200);
      if (got.json.length === 0) break;
      ids.push(...idsOf(got.json));
      bench.clock.advance(60_000);
    }
    expect(ids).toHaveLength(model.memberCount);
    const sorted = [...ids].sort((one, other) => (BigInt(one) < BigInt(other) ? -1 : 1));
    expect(ids).toEqual(sorted);
    expect(new Set(ids).size).toBe(ids.length);
    expect(bench.send('GET', `${path}/members`).json).toHaveLength(1);
    expect(bench.send('GET', `${path}/members?limit=1001`).json.code).toBe(50035);
  });

  it('are found by how their names begin', () => {
    const { bench, path, ownerId } = stage();
    const { user } = bench.send('GET', `${path}/members/${ownerId}`).json;
    const query = user.username.slice(0, 3).toUpperCase();
    const found = bench.send('GET', `${path}/members/search?query=${query}&limit=1000`).json;
    expect(idsOf(found)).toContain(ownerId);
    expect(bench.send('GET', `${path}/members/search`).json.code).toBe(50035);
  });

  it('are changed and sent away if they, their roles and what is asked of them exist', () => {
    const { bench, model, path, memberId } = stage();
    const [role] = model.guild.roles;
    const member = `${path}/members/${memberId}`;
    const json = { nick: 'New', roles: [role?.id] };
    expect(bench.send('PATCH', member, { json }).json).toMatchObject({ ...json, mute: false });
    expect(bench.send('PATCH', member, { json: { nick: null } }).json.nick).toBeNull();
    expect(bench.send('PATCH', member, { json: { roles: ['1'] } }).json.code).toBe(10011);
    expect(bench.send('PATCH', member, { json: { nick: 'x'.repeat(33) } }).json.code).toBe(50035);
    expect(bench.send('PATCH', `${path}/members/@me`, { json }).json.user.bot).toBe(true);
    expect(bench.send('DELETE', member).status).toBe(204);
    expect(bench.send('GET', member).json.code).toBe(10007);
    expect(bench.send('DELETE', `${path}/members/1`).json.code).toBe(10013);
    expect(bench.send('GET', `${path}/roles`).json).toEqual(model.guild.roles);
    expect(bench.send('GET', `${path}/roles/${role?.id}`).json).toEqual(role);
  });
});

describe('bans', () => {
  it('are kept, listed, told of and taken back', () => {
    const { bench, path, memberId } = stage();
    const ban = `${path}/bans/${memberId}`;
    expect(bench.send('GET', ban).json).toMatchObject({ code: 10026 });
    const headers = { 'x-audit-log-reason': 'much%20noise' };
    expect(bench.send('PUT', ban, { json: {}, headers }).status).toBe(204);
    const kept = { user: { id: memberId }, reason: 'much noise' };
    expect(bench.send('GET', ban).json).toMatchObject(kept);
    expect(bench.send('GET', `${path}/bans`).json).toMatchObject([kept]);
    expect(bench.send('GET', `${path}/bans?after=${memberId}`).json).toEqual([]);
    expect(bench.send('DELETE', ban).status).toBe(204);
    expect(bench.send('DELETE', ban).json).toMatchObject({ code: 10026 });
    const told = bench.events.map(({ t }) => t).filter((t) => !t.startsWith('GUILD_AUDIT'));
    expect(told).toEqual(['GUILD_MEMBER_REMOVE', 'GUILD_BAN_ADD', 'GUILD_BAN_REMOVE']);
  });

  it('of many say whom they reached', () => {
    const { bench, path, memberId } = stage();
    const send = (user_ids: readonly string[]) =>
      bench.send('POST', `${path}/bulk-ban`, { json: { user_ids } }).json;
    expect(send([memberId, '1'])).toEqual({ banned_users: [memberId], failed_users: ['1'] });
    expect(send(['1'])).toMatchObject({ code: 500_000 });
    expect(send([])).toMatchObject({ code: 500_000 });
  });
});
