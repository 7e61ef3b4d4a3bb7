/** What an operator is told of the stored sessions, and whose sessions they are. */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { SessionsNotice } from '../../actors/sessions/actor.ts';
import { FatalError, StoreUnavailableError } from '../../protocols/errors.ts';
import { SessionWatch } from '../../src/gateway/session-watch.ts';
import { applicationOf } from '../../src/gateway/stores/session-place.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { recordOf } from '../support/session-records.ts';

function createWatch() {
  const log = new RecordingLog();
  const registry = new Registry();
  const lost: unknown[][] = [];
  const watch = new SessionWatch(
    'the store',
    registry,
    { lost: (...what) => lost.push(what) },
    log,
  );
  const metric = async (name: string) =>
    (await registry.metrics()).split('\n').find((line) => line.startsWith(`${name} `));
  return { log, lost, watch, metric, see: (notice: SessionsNotice) => watch.see(notice) };
}

const AWAY: SessionsNotice = { kind: 'away', error: new StoreUnavailableError('no answer') };

const REFUSED: SessionsNotice = { kind: 'away', error: new FatalError('the password is wrong') };

describe('the watch on the stored sessions', () => {
  it('says whether the store is there, and what that means', async () => {
    const { log, watch, metric, see } = createWatch();
    const said = () => log.lines.at(-1)?.message;
    see(AWAY);
    expect(said()).toMatch(/away: waiting for it, at most \d+ s/);
    expect(await metric('gateway_session_store_up')).toBe('gateway_session_store_up 0');
    watch.started(false, () => 7);
    expect(said()).toContain('the shards start new sessions');
    expect(await metric('gateway_sessions_unsaved')).toBe('gateway_sessions_unsaved 7');
    see({ kind: 'claimed' });
    see({ kind: 'back', awayMs: 1_234.5 });
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', fields: { awayMs: 1_235 } });
    expect(await metric('gateway_session_store_up')).toBe('gateway_session_store_up 1');
    see(AWAY);
    expect(said()).toContain('is away: sessions are kept in memory until it takes them again');
    see(REFUSED);
    expect(said()).toContain('the session store refuses us: sessions are kept in memory');
    see({ kind: 'unsaved', shards: 3 });
    expect(log.lines.at(-1)).toMatchObject({ level: 'warn', fields: { shards: 3 } });
    watch.fail(new Error('a fault'));
    expect(log.lines.at(-1)?.level).toBe('error');
  });

  it('leaves it to the end of the start to say that the store refuses for good', async () => {
    const { log, metric, see } = createWatch();
    see(REFUSED);
    expect(log.lines).toEqual([]);
    expect(await metric('gateway_session_store_up')).toBe('gateway_session_store_up 0');
  });

  it('counts saves by their result', async () => {
    const { metric, see } = createWatch();
    see({ kind: 'saved', shards: 16 });
    const refusals = [4, 5].map((shard) => ({ shard, owner: 'node-2/77/abc' }));
    see({ kind: 'fenced', refusals });
    expect(await metric('gateway_session_saves_total{result="saved"}')).toMatch(/ 16$/);
    expect(await metric('gateway_session_saves_total{result="fenced"}')).toMatch(/ 2$/);
  });

  it('has consumers told of sessions that are not resumed', () => {
    const { lost, see } = createWatch();
    see({
      kind: 'lost',
      sessions: [
        { shard: 1, record: recordOf(5), why: 'expired' },
        { shard: 2, record: recordOf(6), why: 'late' },
      ],
    });
    expect(lost).toEqual([
      [1, recordOf(5), 'it was saved more than 10 minutes ago'],
      [2, recordOf(6), 'the session store was away when the gateway started'],
    ]);
  });
});

describe('the application of a token', () => {
  it("is the bot's id, which the token begins with", () => {
    const id = '198622483471925248';
    const first = Buffer.from(id).toString('base64').replace(/=+$/, '');
    expect(applicationOf(`${first}.Gw4x0z.not-a-real-token-of-anybody-at-all`)).toBe(id);
  });

  it.each(['simulated-token', '', 'a.b.c', 'MTIz.x.y', 'Zm9vOmJhcg.x.y'])(
    'that has none (%j) is a digest, another one for each token',
    (token) => {
      const name = applicationOf(token);
      expect(name).toMatch(/^unknown-[0-9a-f]{20}$/);
      expect(applicationOf(`${token}x`)).not.toBe(name);
      expect(applicationOf(token)).toBe(name);
    },
  );
});
