/**
 * The queue of one shard's commands under hostile schedules: connections come and go, writes fail,
 * Discord limits what it likes, and time passes in leaps.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CommandEffect,
  type CommandInput,
  type CommandQueue,
  EMPTY_QUEUE,
  stepCommands,
} from '../../actors/shard/command-queue.ts';
import type { GatewayCommand } from '../../protocols/gateway/commands.ts';
import {
  COMMAND_WAIT_MAX_MS,
  COMMANDS_PER_SHARD_MAX,
  MEMBER_LIST_WINDOW_MS,
  MEMBER_REQUEST_REPEATS_MAX,
} from '../../protocols/limits.ts';

const PLAIN: GatewayCommand = { op: 4, text: 'voice' };

function list(guildId: string, nonce?: string): GatewayCommand {
  return { op: 8, text: `list ${guildId}`, members: { guildId, nonce, isList: true } };
}

/** The queue, a connection that does what it is told, and an account of all that happened. */
class QueueBench {
  queue: CommandQueue = EMPTY_QUEUE;
  nowMs = 1_000;
  /** What was handed to the connection and is not written. */
  handed: number | undefined;
  readonly sends: { readonly id: number; readonly atMs: number; readonly text: string }[] = [];
  readonly fates = new Map<number, string[]>();
  /** Whether the connection may be given anything. */
  isLive = false;
  #timerMs: number | undefined;
  #lastId = 0;

  command(command: GatewayCommand = PLAIN, waitMs = COMMAND_WAIT_MAX_MS): number {
    const id = ++this.#lastId;
    this.fates.set(id, []);
    this.tell({ type: 'command', id, command, expiresAtMs: this.nowMs + waitMs });
    return id;
  }

  tell(input: CommandInput): void {
    if (input.type === 'live') this.isLive = true;
    if (input.type === 'live' || input.type === 'down' || input.type === 'failed') {
      this.handed = undefined;
      this.isLive = input.type === 'live';
    }
    const step = stepCommands(this.queue, input, this.nowMs);
    this.queue = step.queue;
    for (const effect of step.effects) this.#run(effect);
  }

  /** The connection writes what it was handed, if it was handed anything. */
  write(): void {
    const id = this.handed;
    if (id === undefined) return;
    this.handed = undefined;
    const entry = this.queue.waiting.find((waiting) => waiting.id === id);
    this.sends.push({ id, atMs: this.nowMs, text: entry?.command.text ?? '' });
    this.tell({ type: 'written', id });
  }

  refuse(retryInMs: number): void {
    const id = this.handed;
    if (id === undefined) return;
    this.handed = undefined;
    this.tell({ type: 'unwritten', id, retryInMs });
  }

  pass(ms: number, meanwhile: () => void = () => {}): void {
    const untilMs = this.nowMs + ms;
    for (let turn = 0; this.#timerMs !== undefined && this.#timerMs <= untilMs; turn++) {
      if (turn > 10_000) throw new Error('the queue wakes itself without end');
      this.nowMs = Math.max(this.nowMs, this.#timerMs);
      this.#timerMs = undefined;
      this.tell({ type: 'due' });
      meanwhile();
    }
    this.nowMs = untilMs;
  }

  /** Writes all that is handed over, for so long. */
  drain(ms: number): void {
    const writeAll = (): void => {
      while (this.handed !== undefined) this.write();
    };
    writeAll();
    this.pass(ms, writeAll);
  }

  #run(effect: CommandEffect): void {
    switch (effect.type) {
      case 'send':
        expect(this.isLive).toBe(true);
        expect(this.handed).toBeUndefined();
        this.handed = effect.id;
        break;
      case 'sent':
        this.fates.get(effect.id)?.push('sent');
        break;
      case 'refuse':
        this.fates.get(effect.id)?.push(effect.error.reason);
        break;
      case 'arm':
        this.#timerMs = this.nowMs + effect.delayMs;
        break;
      case 'disarm':
        this.#timerMs = undefined;
        break;
    }
  }
}

const guild = fc.constantFrom('1', '2', '3');

const deed: fc.Arbitrary<(bench: QueueBench) => void> = fc.oneof(
  fc.constant((bench: QueueBench) => void bench.command()),
  fc.tuple(guild, fc.option(fc.constantFrom('a', 'b'), { nil: undefined })).map(
    ([id, nonce]) =>
      (bench: QueueBench) =>
        void bench.command(list(id, nonce)),
  ),
  fc.constant((bench: QueueBench) => bench.tell({ type: 'live' })),
  fc.constant((bench: QueueBench) => bench.tell({ type: 'down' })),
  fc.constant((bench: QueueBench) => bench.write()),
  fc.nat({ max: 70_000 }).map((ms) => (bench: QueueBench) => bench.refuse(ms)),
  fc.nat({ max: 40_000 }).map((ms) => (bench: QueueBench) => bench.pass(ms)),
  // Late words of a connection that is gone.
  fc.nat({ max: 5 }).map((id) => (bench: QueueBench) => {
    bench.tell({ type: 'unwritten', id: id + 1_000_000, retryInMs: 1 });
  }),
);

/** Discord has its own view of what was asked too soon. */
const limit: fc.Arbitrary<(bench: QueueBench) => void> = fc.oneof(
  fc.tuple(guild, fc.nat({ max: 200_000 })).map(([guildId, retryInMs]) => (bench: QueueBench) => {
    bench.tell({ type: 'limited', guildId, nonce: undefined, retryInMs });
  }),
  fc.constant((bench: QueueBench) =>
    bench.tell({ type: 'limited', guildId: '1', nonce: 'a', retryInMs: 1_000 }),
  ),
);

const deeds = fc.array(deed, { maxLength: 120, size: 'max' });
const deedsAndLimits = fc.array(fc.oneof({ weight: 5, arbitrary: deed }, limit), {
  maxLength: 120,
  size: 'max',
});

describe('the queue of a shard’s commands', () => {
  it('GP-43: tells each command one fate, whatever happens, and in the end has none left', () => {
    fc.assert(
      fc.property(deedsAndLimits, (all) => {
        const bench = new QueueBench();
        for (const each of all) {
          each(bench);
          for (const fates of bench.fates.values()) expect(fates.length).toBeLessThan(2);
        }
        bench.tell({ type: 'live' });
        bench.drain(10 * COMMAND_WAIT_MAX_MS);
        for (const fates of bench.fates.values()) expect(fates).toHaveLength(1);
        expect(bench.queue.waiting).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('never asks for two lists of one guild within 30 s, and sends the rest in order', () => {
    fc.assert(
      fc.property(deeds, (all) => {
        const bench = new QueueBench();
        for (const each of all) each(bench);
        bench.tell({ type: 'live' });
        bench.drain(10 * COMMAND_WAIT_MAX_MS);
        const last = new Map<string, number>();
        for (const { atMs, text } of bench.sends.filter(({ text }) => text.startsWith('list'))) {
          expect(atMs - (last.get(text) ?? -Infinity)).toBeGreaterThan(MEMBER_LIST_WINDOW_MS);
          last.set(text, atMs);
        }
        const plain = bench.sends.filter(({ text }) => text === 'voice').map(({ id }) => id);
        expect(plain).toEqual(plain.toSorted((left, right) => left - right));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses one too many, and those whose time is up, at that time', () => {
    const bench = new QueueBench();
    for (let count = 0; count < COMMANDS_PER_SHARD_MAX; count++) bench.command();
    expect(bench.fates.get(bench.command())).toEqual(['full']);
    bench.pass(COMMAND_WAIT_MAX_MS - 1);
    expect(bench.fates.get(1)).toEqual([]);
    bench.pass(1);
    expect([...bench.fates.values()].flat()).toHaveLength(COMMANDS_PER_SHARD_MAX + 1);
    expect(bench.fates.get(1)).toEqual(['expired']);
  });

  it('lets others pass a list that has to wait, and refuses all when the shard has failed', () => {
    const bench = new QueueBench();
    bench.tell({ type: 'live' });
    const [first, second, other] = [
      bench.command(list('1')),
      bench.command(list('1')),
      bench.command(list('2')),
    ];
    bench.drain(0);
    expect(bench.sends.map(({ id }) => id)).toEqual([first, other]);
    bench.tell({ type: 'failed' });
    expect(bench.fates.get(second)).toEqual(['failed']);
  });

  it('repeats what Discord limited when it may, matched by its nonce, and not for ever', () => {
    const bench = new QueueBench();
    bench.tell({ type: 'live' });
    const id = bench.command(list('1', 'mine'));
    bench.drain(0);
    bench.tell({ type: 'limited', guildId: '1', nonce: 'other', retryInMs: 5_000 });
    bench.drain(20_000);
    expect(bench.sends).toHaveLength(1);
    for (let repeat = 1; repeat <= MEMBER_REQUEST_REPEATS_MAX; repeat++) {
      bench.tell({ type: 'limited', guildId: '1', nonce: 'mine', retryInMs: 40_000 });
      bench.drain(40_000);
      expect(bench.sends).toHaveLength(repeat);
      bench.drain(1_000);
      expect(bench.sends).toHaveLength(repeat + 1);
    }
    bench.tell({ type: 'limited', guildId: '1', nonce: 'mine', retryInMs: 1_000 });
    bench.drain(COMMAND_WAIT_MAX_MS);
    expect(bench.sends).toHaveLength(MEMBER_REQUEST_REPEATS_MAX + 1);
    expect(bench.fates.get(id)).toEqual(['sent']);
  });

  it('keeps a command that was not written in its place', () => {
    const bench = new QueueBench();
    bench.tell({ type: 'live' });
    const [first, second] = [bench.command(), bench.command()];
    bench.refuse(500);
    bench.drain(499);
    expect(bench.sends).toEqual([]);
    bench.tell({ type: 'down' });
    bench.drain(60_000);
    expect(bench.sends).toEqual([]);
    bench.tell({ type: 'live' });
    bench.drain(0);
    expect(bench.sends.map(({ id }) => id)).toEqual([first, second]);
  });
});
