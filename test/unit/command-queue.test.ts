/**
 * What the queue of one shard's commands does at its edges, and the room of the shards beside it.
 */
import { describe, expect, it } from 'vitest';
import { admitCommand, type CommandsState, NO_COMMANDS } from '../../actors/commands/machine.ts';
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
  COMMANDS_MAX,
  MEMBER_LIST_MARGIN_MS,
  MEMBER_LIST_WINDOW_MS,
  MEMBER_REQUESTS_REMEMBERED_MAX,
} from '../../protocols/limits.ts';

const VOICE: GatewayCommand = { op: 4, text: 'voice' };

function list(guildId: string): GatewayCommand {
  return { op: 8, text: guildId, members: { guildId, nonce: undefined, isList: true } };
}

class Bench {
  queue: CommandQueue = EMPTY_QUEUE;
  nowMs = 1_000;

  /** What is sent and refused at once, in words. */
  tell(input: CommandInput): string[] {
    const step = stepCommands(this.queue, input, this.nowMs);
    this.queue = step.queue;
    return step.effects.flatMap((effect) => wordOf(effect) ?? []);
  }

  command(id: number, command = VOICE): string[] {
    const expiresAtMs = this.nowMs + COMMAND_WAIT_MAX_MS;
    return this.tell({ type: 'command', id, command, expiresAtMs });
  }
}

function wordOf(effect: CommandEffect): string | undefined {
  if (effect.type === 'refuse') return `refuse ${effect.id} as ${effect.error.reason}`;
  return effect.type === 'send' || effect.type === 'sent'
    ? `${effect.type} ${effect.id}`
    : undefined;
}

describe('the queue of a shard’s commands', () => {
  it('hands on nothing twice when an older connection says late what it has written', () => {
    const bench = new Bench();
    bench.tell({ type: 'live' });
    expect(bench.command(1)).toEqual(['send 1']);
    bench.command(2);
    bench.tell({ type: 'down' });
    expect(bench.tell({ type: 'live' })).toEqual(['send 1']);
    expect(bench.tell({ type: 'written', id: 1 })).toEqual(['sent 1', 'send 2']);
    expect(bench.tell({ type: 'written', id: 1 })).toEqual([]);
    bench.command(3);
    bench.tell({ type: 'down' });
    // The next connection has the second one while the first one's word of the third comes in.
    expect(bench.tell({ type: 'live' })).toEqual(['send 2']);
    expect(bench.tell({ type: 'written', id: 3 })).toEqual(['sent 3']);
    expect(bench.tell({ type: 'written', id: 2 })).toEqual(['sent 2']);
  });

  it('does not let one expire that the connection is writing', () => {
    const bench = new Bench();
    bench.tell({ type: 'live' });
    bench.command(1);
    bench.command(2);
    bench.nowMs += COMMAND_WAIT_MAX_MS;
    expect(bench.tell({ type: 'due' })).toEqual(['refuse 2 as expired']);
    expect(bench.tell({ type: 'written', id: 1 })).toEqual(['sent 1']);
    // One that was not written after all has no more time.
    bench.command(3);
    bench.nowMs += COMMAND_WAIT_MAX_MS;
    expect(bench.tell({ type: 'unwritten', id: 3, retryInMs: 10 })).toEqual([
      'refuse 3 as expired',
    ]);
  });

  it('remembers a bounded number of requests for members, and guilds only while they wait', () => {
    const bench = new Bench();
    bench.tell({ type: 'live' });
    const count = 2 * MEMBER_REQUESTS_REMEMBERED_MAX;
    for (let id = 1; id <= count; id++) {
      expect(bench.command(id, list(`${id}`))).toEqual([`send ${id}`]);
      bench.tell({ type: 'written', id });
    }
    expect(bench.queue.remembered).toHaveLength(MEMBER_REQUESTS_REMEMBERED_MAX);
    expect(bench.queue.remembered.at(-1)?.entry.id).toBe(count);
    expect(bench.queue.listAtMs.size).toBe(count);
    bench.nowMs += MEMBER_LIST_WINDOW_MS + MEMBER_LIST_MARGIN_MS;
    bench.command(count + 1, list('another'));
    bench.tell({ type: 'written', id: count + 1 });
    expect([...bench.queue.listAtMs.keys()]).toEqual(['another']);
  });
});

describe('the room for commands', () => {
  const routes = { owned: new Set([0, 1, 2]), fenced: new Set<number>(), leadsToOthers: false };

  /** Takes commands for a shard until one is refused. */
  function fill(state: CommandsState, shard: number): { state: CommandsState; taken: number } {
    for (let taken = 0; ; taken++) {
      const step = admitCommand(state, { shard, isDirect: true }, routes);
      if (step.way.kind === 'refuse') return { state, taken };
      state = step.state;
    }
  }

  it('is half of what is free for each shard that has none sent, so that the next one has some', () => {
    const first = fill(NO_COMMANDS, 0);
    const second = fill(first.state, 1);
    const third = fill(second.state, 2);
    const shares = [first, second, third].map(({ taken }) => taken / COMMANDS_MAX);
    expect(shares).toEqual(
      [1 / 2, 1 / 4, 1 / 8].map((share) => Math.ceil(share * COMMANDS_MAX) / COMMANDS_MAX),
    );
  });
});
