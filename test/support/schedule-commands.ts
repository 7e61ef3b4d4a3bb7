/**
 * The broker's part in the commands of a schedule: it brings each to a process that may have it,
 * again if it was handed back or its process died, and keeps what became of it.
 *
 * A command is heard of by its name, which Discord's audit shows. Forwarding from process to
 * process goes the way that a broker offers: an event that only the shard's owner consumes.
 */
import type { Broker } from '../../protocols/broker.ts';
import { CallTimeoutError, UnroutableError } from '../../protocols/errors.ts';
import { GATEWAY_FRAME_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock, Random, Timer } from '../../protocols/ports.ts';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';
import type { SimulatedDiscord } from '../../src/simulator/discord.ts';
import { PlayedDelivery } from './played-delivery.ts';
import type { SchedulePlan } from './schedule-plan.ts';
import type { GatewayProcess } from './schedule-process.ts';

/** How soon the broker delivers again. */
const AGAIN_MS = 500;

type Command = {
  readonly name: string;
  /** SEND, or the number of a shard. */
  readonly event: string;
  readonly value: unknown;
  readonly wantsReply: boolean;
  readonly isTooLarge: boolean;
  /** The delivery that is with a process, and those before it. */
  readonly deliveries: { readonly delivery: PlayedDelivery; readonly process: GatewayProcess }[];
};

export class ScheduleCommands {
  readonly #clock: Clock;
  readonly #discord: SimulatedDiscord;
  readonly #random: Random;
  readonly #processes: () => readonly GatewayProcess[];
  readonly #commands: Command[] = [];
  /** The ends of the calls between processes. */
  readonly #calls = new Set<Timer>();
  #isOver = false;

  constructor(
    plan: SchedulePlan,
    world: { readonly clock: Clock; readonly discord: SimulatedDiscord },
    random: Random,
    processes: () => readonly GatewayProcess[],
  ) {
    this.#clock = world.clock;
    this.#discord = world.discord;
    this.#random = random;
    this.#processes = processes;
    for (let index = 0; index < plan.commands; index++) {
      const command = this.#draw(`command-${index}`, plan);
      this.#commands.push(command);
      world.clock.setTimer(random() * plan.durationMs, () => this.#deliver(command));
    }
  }

  /** The way of one process to the others. */
  others(clock: Clock): Pick<Broker, 'publish' | 'call'> {
    return {
      publish: async (event, body) => this.#forward(event, body, () => undefined, clock),
      call: (event, body, { timeoutMs }) =>
        new Promise((resolve, reject) => {
          this.#forward(event, body, resolve, clock);
          const expired = (): void => reject(new CallTimeoutError(event, timeoutMs));
          this.#calls.add(clock.setTimer(timeoutMs, expired));
        }),
    };
  }

  /** Nobody waits for an answer any more, and nobody is left to bring anything to. */
  stop(): void {
    this.#isOver = true;
    for (const timer of this.#calls) timer.cancel();
  }

  /** How many have no fate yet. */
  get open(): number {
    return this.#commands.filter((command) => !isSettled(command)).length;
  }

  /** @param canRepeat whether an actor crashed, which may have been in the moment of writing */
  problems(canRepeat: boolean): readonly string[] {
    const heard = new Map<string, number>();
    for (const { data } of this.#discord.audit.of('command')) {
      const name = nameOf(data);
      if (name !== undefined) heard.set(name, (heard.get(name) ?? 0) + 1);
    }
    return this.#commands.flatMap((command) => {
      const times = heard.get(command.name) ?? 0;
      return judge(command, times, canRepeat).map((problem) => `${command.name}: ${problem}`);
    });
  }

  #draw(name: string, { processes }: SchedulePlan): Command {
    const random = this.#random;
    // What is for a shard that nobody has waits in the broker for ever.
    const owned = processes.flat();
    const isTooLarge = random() < 0.05;
    const text = isTooLarge ? name.padEnd(GATEWAY_FRAME_MAX_BYTES, '.') : name;
    const guild_id = this.#guildId();
    const isRequest = random() < 0.3;
    const packet = isRequest
      ? { op: 8, d: { guild_id, query: text, limit: 1 } }
      : { op: 3, d: presence(text) };
    const isAddressed = isRequest || random() < 0.4;
    return {
      name,
      event: isAddressed ? 'SEND' : String(owned[Math.floor(random() * owned.length)]),
      value: isAddressed ? { guild_id, packet } : packet,
      wantsReply: random() < 0.5,
      isTooLarge,
      deliveries: [],
    };
  }

  #guildId(): string {
    const { guildIds } = this.#discord.world;
    return guildIds[Math.floor(this.#random() * guildIds.length)] ?? '';
  }

  #deliver(command: Command): void {
    if (isSettled(command)) return;
    const last = command.deliveries.at(-1);
    const isWithProcess =
      last?.process.state !== 'killed' && last?.delivery.settlements.length === 0;
    const process = isWithProcess ? undefined : this.#consumer(command.event);
    if (process?.gateway !== undefined) {
      const delivery = new PlayedDelivery(command.event, command.value, command.wantsReply);
      command.deliveries.push({ delivery, process });
      process.gateway.tree.command(delivery);
    }
    this.#clock.setTimer(AGAIN_MS, () => this.#deliver(command));
  }

  /** A running process that consumes the event. */
  #consumer(event: string): GatewayProcess | undefined {
    const running = this.#processes().filter(({ state }) => state === 'running');
    if (event !== 'SEND') return running.find(({ owned }) => owned.includes(Number(event)));
    return running[Math.floor(this.#random() * running.length)];
  }

  /** Waits for the owner of the shard while it is being started again. */
  #forward(
    event: string,
    body: Uint8Array,
    answered: (answer: Uint8Array) => void,
    clock: Clock,
  ): void {
    const hasOwner = this.#processes().some(({ owned }) => owned.includes(Number(event)));
    if (!hasOwner) throw new UnroutableError(event);
    const delivery = new ForwardedDelivery(event, body, answered, () =>
      clock.setTimer(AGAIN_MS, bring),
    );
    const bring = (): void => {
      if (this.#isOver) return;
      const gateway = this.#consumer(event)?.gateway;
      if (gateway === undefined) clock.setTimer(AGAIN_MS, bring);
      else gateway.tree.command(delivery);
    };
    clock.setTimer(0, bring);
  }
}

class ForwardedDelivery extends PlayedDelivery {
  readonly #answered: (answer: Uint8Array) => void;
  readonly #again: () => void;

  constructor(
    event: string,
    body: Uint8Array,
    answered: (answer: Uint8Array) => void,
    again: () => void,
  ) {
    super(event, decodeBody(body));
    this.#answered = answered;
    this.#again = again;
  }

  override async reply(body: Uint8Array): Promise<void> {
    this.#answered(encodeBody(decodeBody(body)));
  }

  override retry(): void {
    this.#again();
  }
}

function presence(name: string) {
  return { since: null, activities: [{ name, type: 0 }], status: 'idle', afk: false };
}

/** The name of a command as Discord has heard it. */
function nameOf(data: unknown): string | undefined {
  const heard = data as { query?: string; activities?: readonly { name: string }[] };
  return heard.query ?? heard.activities?.[0]?.name;
}

function isSettled({ deliveries }: Command): boolean {
  const settled = deliveries.at(-1)?.delivery.settlements[0];
  return settled !== undefined && settled !== 'retry';
}

function judge(command: Command, heard: number, canRepeat: boolean): readonly string[] {
  const { deliveries, wantsReply, isTooLarge } = command;
  const problems: string[] = [];
  for (const { delivery, process } of deliveries) {
    const { settlements, answers } = delivery;
    const isCut = process.state === 'killed';
    const fates = settlements.length;
    if (fates > 1 || (fates === 0 && !isCut)) problems.push(`settled ${fates} times`);
    const expected = wantsReply && fates === 1 && settlements[0] !== 'retry' ? 1 : 0;
    if (answers.length !== expected && !isCut) problems.push(`answered ${answers.length} times`);
  }
  const last = deliveries.at(-1)?.delivery;
  if (last === undefined || !isSettled(command)) return [...problems, 'has no fate'];
  if (isTooLarge && (heard > 0 || last.settlements[0] === 'ack')) problems.push('was too large');
  // A process that dies in the moment of writing leaves a command of which nobody knows.
  if (canRepeat || deliveries.some(({ process }) => process.state === 'killed')) return problems;
  const answer = last.answers[0] as { status?: string; reason?: string } | undefined;
  const isRefused = answer?.status === 'refused' || last.settlements[0] !== 'ack';
  if (isRefused && answer?.reason !== 'unknown' && heard > 0) problems.push('refused, and heard');
  if (heard > 1) problems.push(`heard ${heard} times`);
  return problems;
}
