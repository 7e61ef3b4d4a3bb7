/** The commands actor by itself: whatever it has taken is settled, once, however it ends. */
import { describe, expect, it } from 'vitest';
import { commands } from '../../actors/commands/actor.ts';
import { admitCommand, type CommandsState, NO_COMMANDS } from '../../actors/commands/machine.ts';
import type { CommandsWorld } from '../../actors/commands/ports.ts';
import type { ActorRef } from '../../protocols/actor.ts';
import type { CommandsMessage } from '../../protocols/gateway/messages.ts';
import { COMMAND_RETRY_MS, COMMANDS_MAX } from '../../protocols/limits.ts';
import { createActorWorld } from '../support/actor-world.ts';
import { PlayedDelivery } from '../support/played-delivery.ts';

const FRAME = { op: 3, d: { since: null, activities: [], status: 'dnd', afk: false } };

/** Commands for one shard, which is down unless the world says otherwise. */
function createBench(overrides: Partial<CommandsWorld> = {}) {
  const actors = createActorWorld();
  const inbox: PlayedDelivery[] = [];
  const outcomes: string[] = [];
  const behaviour = () =>
    commands({
      shardCount: 1,
      owned: new Set([0]),
      fenced: new Set(),
      shard: () => undefined,
      others: undefined,
      inbox,
      onOutcome: (outcome) => outcomes.push(outcome),
      ...overrides,
    });
  const start = (): ActorRef<CommandsMessage> => actors.system.spawn('commands', behaviour());
  return { ...actors, inbox, outcomes, start };
}

describe('a command', () => {
  it('that was not looked at is handed back by a stop', async () => {
    const { inbox, start, pass, system } = createBench();
    start();
    await pass(0);
    const delivery = new PlayedDelivery('0', FRAME);
    inbox.push(delivery);
    await system.stop();
    expect(delivery).toMatchObject({ settlements: ['retry'], answers: [] });
    expect(inbox).toEqual([]);
  });

  it('that waits for its shard to come back is handed back by a stop', async () => {
    const { inbox, outcomes, start, pass, system } = createBench();
    const delivery = new PlayedDelivery('0', FRAME);
    inbox.push(delivery);
    start();
    await pass(COMMAND_RETRY_MS / 2);
    expect(delivery.settlements).toEqual([]);
    await system.stop();
    expect(delivery.settlements).toEqual(['retry']);
    expect(outcomes).toEqual(['handed-back']);
  });

  it('that is refused is told in one line of the log, since its broker tells of none', async () => {
    const { inbox, start, pass, system, log } = createBench();
    inbox.push(new PlayedDelivery('0', { op: 2, d: {} }));
    start();
    await pass(0);
    const told = log.lines.filter(({ level }) => level !== 'debug');
    expect(told).toEqual([
      {
        level: 'warn',
        fields: {
          actor: 'commands',
          event: '0',
          reason: 'invalid',
          message: expect.stringMatching(/^op is 2; /),
        },
        message: 'a command was refused',
      },
    ]);
    await system.stop();
  });

  it('behind one that crashes the actor is taken by the next incarnation', async () => {
    let faults = 1;
    const { inbox, start, pass, system } = createBench({
      onOutcome: () => {
        if (faults-- > 0) throw new Error('a fault');
      },
    });
    const [first, second] = [new PlayedDelivery('0', {}), new PlayedDelivery('0', FRAME)];
    inbox.push(first, second);
    start();
    await pass(0);
    expect(first.settlements).toEqual(['reject: the gateway failed over it']);
    expect(second.settlements).toEqual([]);
    start();
    await pass(0);
    expect(inbox).toEqual([]);
    await system.stop();
    expect(first.settlements).toHaveLength(1);
    expect(second.settlements).toEqual(['retry']);
  });
});

describe('the room for commands', () => {
  it('is half for one slow shard, and never gone for the others', () => {
    const routes = { owned: new Set([0, 1]), fenced: new Set<number>(), leadsToOthers: false };
    const fill = (state: CommandsState, shard: number): CommandsState => {
      const step = admitCommand(state, { shard, isDirect: true }, routes);
      return step.way.kind === 'shard' ? fill(step.state, shard) : step.state;
    };
    const one = fill(NO_COMMANDS, 0);
    expect(one.total).toBe(COMMANDS_MAX / 2);
    const both = fill(one, 1);
    expect(both.total).toBeLessThan(COMMANDS_MAX);
    expect(both.open.get(1)).toBe(COMMANDS_MAX / 4);
  });
});
