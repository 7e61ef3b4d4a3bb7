import { describe, expect, it } from 'vitest';
import { type Behaviour, createActorSystem } from '../../actors/runtime.ts';
import type { ActorRef, Exit } from '../../protocols/actor.ts';
import { RestartIntensityError } from '../../protocols/errors.ts';
import {
  SUPERVISED_SHUTDOWN_MS,
  SUPERVISOR_BACKOFF_INITIAL_MS,
  SUPERVISOR_RESTARTS_MAX,
} from '../../protocols/limits.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { Strategy } from '../../supervisors/restart.ts';
import { child, type SupervisorOptions, supervisor } from '../../supervisors/supervisor.ts';
import { createActorWorld } from '../support/actor-world.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { type Script, scripted } from '../support/scripted-actor.ts';

const boom: Script = () => {
  throw new Error('boom');
};

/** Long enough for any single restart of the default back-off in these tests. */
const LONG_MS = 10_000;

/** Children that note when they start and stop, and whose current references are known. */
function createFamily(seen: string[]) {
  const references = new Map<string, ActorRef<Script> | undefined>();
  const member = (
    id: string,
    options: { restart?: 'permanent' | 'transient' | 'temporary'; startFails?: () => boolean } = {},
  ) =>
    child<null, Script>({
      id,
      ...(options.restart === undefined ? {} : { restart: options.restart }),
      create: (): Behaviour<null, Script> => ({
        ...scripted(() => void seen.push(`-${id}`)),
        start() {
          seen.push(`+${id}`);
          if (options.startFails?.()) throw new Error(`${id} does not start`);
          return null;
        },
      }),
      onReference: (reference) => references.set(id, reference),
    });
  const tell = (id: string, script: Script): void => references.get(id)?.tell(script);
  return { member, references, tell };
}

function createSupervised(strategy: Strategy, options: Partial<SupervisorOptions> = {}) {
  const world = createActorWorld();
  const seen: string[] = [];
  const family = createFamily(seen);
  const exits: Exit[] = [];
  const children = options.children ?? ['a', 'b', 'c'].map((id) => family.member(id));
  world.system.spawn('top', supervisor({ strategy, ...options, children }), (exit) =>
    exits.push(exit),
  );
  /** What was noted since the last look. */
  const look = (): string[] => seen.splice(0);
  return { ...world, ...family, exits, look };
}

describe('a supervisor', () => {
  it('starts its children in order and stops them in reverse', async () => {
    const { system, look, references, clock } = createSupervised('one-for-one');
    expect(look()).toEqual(['+a', '+b', '+c']);
    expect(references.get('b')?.path).toBe('top/b');
    await system.stop();
    expect(look()).toEqual(['-c', '-b', '-a']);
    expect([...references.values()]).toEqual([undefined, undefined, undefined]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('told to retire ends as finished, having stopped its children in reverse', async () => {
    const world = createActorWorld();
    const seen: string[] = [];
    const { member } = createFamily(seen);
    const exits: Exit[] = [];
    const children = [member('a'), member('b')];
    const top = world.system.spawn(
      'top',
      supervisor({ strategy: 'one-for-one', children }),
      (exit) => exits.push(exit),
    );
    top.tell({ type: 'retire' });
    await world.system.idle();
    expect(seen).toEqual(['+a', '+b', '-b', '-a']);
    expect(exits).toEqual([{ kind: 'finished', reason: 'retired' }]);
  });

  it('still stops them in reverse order of the specs after one was restarted', async () => {
    const { system, look, tell, pass } = createSupervised('one-for-one');
    tell('a', boom);
    await pass(LONG_MS);
    look();
    await system.stop();
    expect(look()).toEqual(['-c', '-b', '-a']);
  });

  const expectations: readonly (readonly [Strategy, readonly string[]])[] = [
    ['one-for-one', ['-b', '+b']],
    ['rest-for-one', ['-b', '-c', '+b', '+c']],
    ['one-for-all', ['-b', '-c', '-a', '+a', '+b', '+c']],
  ];
  for (const [strategy, expected] of expectations) {
    it(`restarts ${strategy}, and hands out new references`, async () => {
      const { look, tell, references, pass, system, exits } = createSupervised(strategy);
      const old = references.get('b');
      look();
      tell('b', boom);
      await system.idle();
      expect(references.get('b')).toBeUndefined();
      await pass(LONG_MS);
      expect(look()).toEqual(expected);
      expect(references.get('b')).not.toBe(old);
      let reached = false;
      old?.tell(() => {
        reached = true;
      });
      let answered = false;
      tell('b', () => {
        answered = true;
      });
      await system.idle();
      expect([reached, answered]).toEqual([false, true]);
      expect(exits).toEqual([]);
      expect(system.actors).toBe(4);
    });
  }

  it('waits before a restart, longer each time, and starts over after a stable run', async () => {
    const { tell, clock, pass, system, references } = createSupervised('one-for-one');
    const downMs = async (): Promise<number> => {
      tell('a', boom);
      await system.idle();
      const fromMs = clock.nowMs();
      while (references.get('a') === undefined) await pass(1);
      return clock.nowMs() - fromMs;
    };
    const first = await downMs();
    const second = await downMs();
    const third = await downMs();
    expect(first).toBeGreaterThanOrEqual(SUPERVISOR_BACKOFF_INITIAL_MS / 2);
    expect(first).toBeLessThanOrEqual(SUPERVISOR_BACKOFF_INITIAL_MS + 1);
    expect(second).toBeGreaterThanOrEqual(SUPERVISOR_BACKOFF_INITIAL_MS);
    expect(third).toBeGreaterThanOrEqual(2 * SUPERVISOR_BACKOFF_INITIAL_MS);
    await pass(10 * 60_000);
    expect(await downMs()).toBeLessThanOrEqual(SUPERVISOR_BACKOFF_INITIAL_MS + 1);
  });

  it('logs each restart, with the child and the wait, and each end without one', async () => {
    const { children, log } = await (async () => {
      const world = createActorWorld();
      const { member, tell } = createFamily([]);
      const family = [member('a'), member('b', { restart: 'transient' })];
      world.system.spawn('top', supervisor({ strategy: 'one-for-one', children: family }));
      tell('a', boom);
      tell('b', (context) => context.finish({ token: 'secret' }));
      await world.pass(LONG_MS);
      return { children: family, log: world.log };
    })();
    expect(children).toHaveLength(2);
    expect(log.at('warn')).toMatchObject([
      {
        fields: { actor: 'top', child: 'a', exit: 'crashed', attempts: 1 },
        message: 'child ended and is restarted',
      },
    ]);
    expect(log.at('warn')[0]?.fields.delayMs).toBeGreaterThan(0);
    expect(log.at('info')).toMatchObject([
      { fields: { actor: 'top', child: 'b', exit: 'finished' }, message: 'child ended' },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain('secret');
  });

  it('restarts by the kind of the child and of its end', async () => {
    const world = createActorWorld();
    const seen: string[] = [];
    const { member, tell } = createFamily(seen);
    const children = (['permanent', 'transient', 'temporary'] as const).flatMap((restart) => [
      member(`${restart} crashing`, { restart }),
      member(`${restart} finishing`, { restart }),
    ]);
    world.system.spawn('top', supervisor({ strategy: 'one-for-one', children }));
    seen.splice(0);
    for (const { spec } of children) {
      tell(spec.id, spec.id.endsWith('crashing') ? boom : (context) => context.finish('done'));
    }
    await world.pass(LONG_MS);
    expect(seen.filter((what) => what.startsWith('+')).sort()).toEqual([
      '+permanent crashing',
      '+permanent finishing',
      '+transient crashing',
    ]);
  });

  it('ends when a child exceeds its budget, with the reason, and everything below it stops', async () => {
    const { look, tell, pass, system, exits, clock, log } = createSupervised('one-for-one');
    for (let count = 0; count < SUPERVISOR_RESTARTS_MAX; count += 1) {
      tell('a', boom);
      await pass(LONG_MS / 2);
      expect(exits).toEqual([]);
    }
    look();
    tell('a', boom);
    await system.idle();
    expect(exits).toMatchObject([{ kind: 'crashed', error: { code: 'RESTART_INTENSITY' } }]);
    const [exit] = exits;
    const error = exit?.kind === 'crashed' ? exit.error : undefined;
    expect(error).toBeInstanceOf(RestartIntensityError);
    expect(error).toMatchObject({ cause: new Error('boom') });
    expect(String(error)).toContain('top/a');
    expect(look()).toEqual(['-a', '-c', '-b']);
    expect(system.actors).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    expect(log.at('error').at(-1)?.fields.actor).toBe('top');
  });

  it('keeps a budget for each child, not one for all', async () => {
    const { tell, pass, exits } = createSupervised('one-for-one');
    for (let count = 0; count < SUPERVISOR_RESTARTS_MAX; count += 1) {
      for (const id of ['a', 'b', 'c']) tell(id, boom);
      await pass(LONG_MS / 2);
    }
    expect(exits).toEqual([]);
  });

  it('asks who knows what an end means: ordinary ones never use up the budget', async () => {
    const { tell, pass, exits, references } = createSupervised('one-for-one', {
      judge: (_id, exit) => ({ abnormal: true, counts: exit.kind === 'crashed' }),
    });
    for (let count = 0; count < 4 * SUPERVISOR_RESTARTS_MAX; count += 1) {
      tell('a', (context) => context.finish('connection lost'));
      await pass(2 * LONG_MS);
    }
    expect(exits).toEqual([]);
    await pass(6 * LONG_MS);
    expect(references.get('a')).toBeDefined();
  });

  it('hands its failure on: the supervisor above restarts it with all its children', async () => {
    const world = createActorWorld();
    const seen: string[] = [];
    const { member, tell } = createFamily(seen);
    const intensity = { maxRestarts: 0, windowMs: 1_000 };
    const inner = child({
      id: 'inner',
      create: () => supervisor({ strategy: 'one-for-one', intensity, children: [member('a')] }),
    });
    world.system.spawn('top', supervisor({ strategy: 'one-for-one', children: [inner] }));
    tell('a', boom);
    await world.pass(LONG_MS);
    expect(seen).toEqual(['+a', '-a', '+a']);
    expect(world.system.actors).toBe(3);
  });
});

describe('a child that cannot be started', () => {
  it('leaves no zombie, is tried again after back-off, and does not disturb its siblings', async () => {
    const world = createActorWorld();
    const seen: string[] = [];
    const { member, references } = createFamily(seen);
    let failures = 3;
    const startFails = (): boolean => failures-- > 0;
    const children = [member('a', { startFails }), member('b')];
    world.system.spawn('top', supervisor({ strategy: 'one-for-one', children }));
    await world.system.idle();
    expect(world.system.actors).toBe(2);
    expect(references.get('a')).toBeUndefined();
    await world.pass(LONG_MS);
    expect(seen).toEqual(['+a', '+b', '+a', '+a', '+a']);
    expect(world.system.actors).toBe(3);
    expect(references.get('a')?.path).toBe('top/a');
  });

  it('because its factory throws is treated alike', async () => {
    const world = createActorWorld();
    const exits: Exit[] = [];
    let calls = 0;
    const faulty = child<null, Script>({
      id: 'faulty',
      create: () => {
        calls += 1;
        throw new Error('no behaviour');
      },
    });
    world.system.spawn('top', supervisor({ strategy: 'one-for-one', children: [faulty] }), (exit) =>
      exits.push(exit),
    );
    await world.pass(6 * LONG_MS);
    expect(calls).toBe(SUPERVISOR_RESTARTS_MAX + 1);
    expect(exits).toMatchObject([
      { kind: 'crashed', error: { code: 'RESTART_INTENSITY', cause: new Error('no behaviour') } },
    ]);
    expect(world.system.actors).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('a child that does not end', () => {
  it('is given the time of its spec, then the restart of its siblings goes on', async () => {
    const clock = new VirtualClock();
    const log = new RecordingLog();
    const system = createActorSystem({ name: 'test', clock, random: () => 0, log });
    const seen: string[] = [];
    const { member, tell } = createFamily(seen);
    const stubborn = child<null, Script>({
      id: 'stubborn',
      shutdownMs: 300,
      create: () => scripted(() => new Promise(() => {})),
      onReference: (reference) => seen.push(reference === undefined ? '-stubborn' : '+stubborn'),
    });
    const children = [member('a'), stubborn];
    system.spawn('top', supervisor({ strategy: 'one-for-all', children }));
    seen.splice(0);
    tell('a', boom);
    await clock.advanceSettled(299, () => system.idle());
    expect(seen).toEqual(['-a', '-stubborn']);
    await clock.advanceSettled(1, () => system.idle());
    expect(seen).toEqual(['-a', '-stubborn', '+a', '+stubborn']);
    expect(log.at('warn').some(({ fields }) => fields.withinMs === 300)).toBe(true);
  });

  it('is given a general time unless its spec says otherwise', () => {
    const { spec } = child({ id: 'a', create: () => scripted() });
    expect(spec).toEqual({ id: 'a', restart: 'permanent', shutdownMs: SUPERVISED_SHUTDOWN_MS });
  });
});

describe('unusable options', () => {
  it('are refused: a back-off that never waits at once, two children of one id at the start', async () => {
    const { member } = createFamily([]);
    const backoff = { initialMs: 0, maxMs: 0, factor: 1, jitter: 0, stableMs: 0 };
    expect(() => supervisor({ strategy: 'one-for-one', children: [], backoff })).toThrow(
      RangeError,
    );
    const world = createActorWorld();
    const exits: Exit[] = [];
    const children = [member('a'), member('a')];
    world.system.spawn('top', supervisor({ strategy: 'one-for-one', children }), (exit) =>
      exits.push(exit),
    );
    await world.system.idle();
    expect(exits).toMatchObject([{ kind: 'crashed', error: { name: 'RangeError' } }]);
  });
});
