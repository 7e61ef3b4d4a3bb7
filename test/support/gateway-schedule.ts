/**
 * One random schedule of a gateway against the simulated Discord on virtual time, all of it drawn
 * from a seed (`schedule-plan.ts`): faults of the network and of Discord; a broker that is full,
 * away, late, and loses; stores that are away, slow, deaf, and forget; a wall clock that steps;
 * actors that crash; processes that are stopped, killed and started again; commands all the while.
 *
 * `runSchedule` throws when an invariant does not hold, with the seed that shows it again:
 *
 * - Discord counts no breach, and IDENTIFYs keep their distance and the budget;
 * - events reach the broker in order, and those that never do are reported as lost;
 * - a shard never has two sockets;
 * - every command has one fate, and Discord hears of it accordingly;
 * - all shards are ready within a bounded time once things are well;
 * - nothing crashes that was not made to, and a gateway that is stopped leaves no timer.
 */
import { createRandom } from '../../src/random.ts';
import { SimulatedDiscord } from '../../src/simulator/discord.ts';
import { randomScenario } from '../../src/simulator/scenario.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { CONFIRM_MAX_MS } from './gateway-simulation.ts';
import { ScheduleCommands } from './schedule-commands.ts';
import { drawPlan, type SchedulePlan } from './schedule-plan.ts';
import { GatewayProcess, type ScheduleWorld } from './schedule-process.ts';
import { ScheduleStores } from './schedule-stores.ts';
import { judgeEvents, judgeIdentifies } from './schedule-verdict.ts';

/**
 * Longer than the longest back-off, a session timeout, a line of IDENTIFYs and a command's life
 * together.
 */
const RECOVERY_MAX_MS = 600_000;
const STEP_MS = 10_000;
/** Longer than anything is on its way. */
const NETWORK_MS = 1_000;
/** What a broker that confirms late makes of its promptness. */
const STUCK_CONFIRM_MAX_MS = 20_000;
const GUILDS = 2;
const PROBLEMS_SHOWN = 5;

export type ScheduleResult = {
  readonly events: number;
  readonly resumes: number;
  readonly identifies: number;
  readonly commands: number;
  readonly gaps: number;
  readonly restarts: number;
};

export async function runSchedule(seed: number): Promise<ScheduleResult> {
  const schedule = new Schedule(drawPlan(seed));
  try {
    return await schedule.run();
  } catch (error) {
    if (error instanceof ScheduleFailure) throw error;
    throw new ScheduleFailure(seed, [String(error)], { cause: error });
  }
}

class ScheduleFailure extends Error {
  constructor(seed: number, problems: readonly string[], options?: ErrorOptions) {
    super(`schedule ${seed}: ${problems.slice(0, PROBLEMS_SHOWN).join('; ')}`, options);
  }
}

class Schedule {
  readonly #plan: SchedulePlan;
  readonly #clock = new VirtualClock();
  readonly #discord: SimulatedDiscord;
  readonly #stores: ScheduleStores;
  readonly #commands: ScheduleCommands;
  readonly #world: ScheduleWorld;
  /** Every process there ever was. */
  readonly #all: GatewayProcess[] = [];
  /** The latest of each. */
  readonly #latest: GatewayProcess[] = [];
  readonly #sessionShards = new Map<string, number>();
  #isApiAway = false;
  #restarts = 0;

  constructor(plan: SchedulePlan) {
    this.#plan = plan;
    const clock = this.#clock;
    const { seed, heartbeatIntervalMs, maxConcurrency } = plan;
    const gateway = { heartbeatIntervalMs, maxConcurrency };
    this.#discord = new SimulatedDiscord({ clock, seed, guildCount: GUILDS, gateway });
    const discord = this.#discord;
    this.#stores = new ScheduleStores(clock, createRandom(seed + 0x51_0e5));
    this.#stores.permitsUntilLoss = plan.permitsUntilLoss;
    const random = createRandom(seed + 0xc0_44a);
    this.#commands = new ScheduleCommands(plan, { clock, discord }, random, () => this.#latest);
    this.#world = {
      plan,
      clock,
      discord,
      stores: this.#stores,
      isApiAway: () => this.#isApiAway,
      shardOfSession: (session) => this.#shardOf(session),
      others: (own) => this.#commands.others(own),
    };
  }

  async run(): Promise<ScheduleResult> {
    const { seed, shards, processes, durationMs, faults, rate } = this.#plan;
    this.#discord.setRate(rate);
    this.#discord.scenario.run(randomScenario(seed, durationMs, faults, shards));
    for (const process of processes.keys()) this.#start(process);
    this.#arrangeTrouble();
    this.#arrangeRestarts();
    await this.#pass(durationMs);
    this.#discord.setRate(0);
    this.#mend();
    const problems = [...(await this.#recover()), ...this.#judge()];
    await this.#stop();
    this.#commands.stop();
    this.#discord.stop();
    this.#clock.advance(NETWORK_MS);
    if (this.#clock.pendingTimers > 0)
      problems.push(`${this.#clock.pendingTimers} timers are left`);
    if (problems.length > 0) throw new ScheduleFailure(seed, problems);
    return this.#result();
  }

  #result(): ScheduleResult {
    const { audit } = this.#discord;
    const writers = this.#all.map(({ gateway }) => [...(gateway?.writer.delivered.values() ?? [])]);
    return {
      events: writers.flat(2).length,
      resumes: audit.count('resume'),
      identifies: audit.count('identify'),
      commands: audit.count('command'),
      gaps: this.#all.flatMap(({ gaps }) => gaps).length,
      restarts: this.#restarts,
    };
  }

  #start(process: number): void {
    const owned = this.#plan.processes[process] ?? [];
    const started = new GatewayProcess(this.#world, this.#all.length, owned);
    this.#all.push(started);
    this.#latest[process] = started;
  }

  #at(atMs: number, happen: () => void): void {
    this.#clock.setTimer(atMs, happen);
  }

  #arrangeTrouble(): void {
    const { crashes, losses, steps, concurrency, archive, ledger, api, broker } = this.#plan;
    const spell = (
      { atMs, forMs }: { readonly atMs: number; readonly forMs: number },
      set: (isOn: boolean) => void,
    ): void => {
      this.#at(atMs, () => set(true));
      this.#at(atMs + forMs, () => set(false));
    };
    for (const { atMs, site } of crashes) {
      this.#at(atMs, () => this.#latest[0]?.gateway?.crash(site));
    }
    for (const { atMs, byMs } of steps) this.#at(atMs, () => this.#clock.stepEpoch(byMs));
    for (const { atMs, value } of concurrency) {
      this.#at(atMs, () => this.#discord.scenario.strike({ fault: 'max-concurrency', value }));
    }
    const { archiveWeather, ledgerWeather } = this.#stores;
    for (const each of archive) {
      spell(each, (isOn) => {
        archiveWeather.mode = isOn ? each.kind : 'well';
      });
    }
    for (const each of ledger) {
      spell(each, (isOn) => {
        ledgerWeather.mode = isOn ? each.kind : 'well';
      });
    }
    for (const each of api) {
      spell(each, (isOn) => {
        this.#isApiAway = isOn;
      });
    }
    for (const each of broker) spell(each, (isOn) => this.#brokerIs(isOn ? each.kind : 'well'));
    for (const { atMs, kind } of losses) {
      this.#at(atMs, () => this.#lose(kind));
    }
  }

  #brokerIs(kind: 'away' | 'full' | 'stuck' | 'well'): void {
    for (const { gateway } of this.#latest) {
      if (gateway === undefined) continue;
      const { writer } = gateway;
      writer.refusal = kind === 'away' || kind === 'full' ? 1 : this.#plan.refusal;
      writer.confirmMaxMs = kind === 'stuck' ? STUCK_CONFIRM_MAX_MS : CONFIRM_MAX_MS;
      gateway.setBroker(kind === 'away' ? 'away' : 'open');
    }
  }

  #lose(kind: 'archive' | 'ledger'): void {
    if (kind === 'archive') this.#stores.loseArchive();
    else this.#stores.loseLedger();
  }

  #arrangeRestarts(): void {
    for (const { process, how, atMs, downMs } of this.#plan.restarts) {
      this.#at(atMs, () => {
        const running = this.#latest[process];
        if (!running?.isUp) return;
        this.#restarts++;
        this.#restart(process, running, how, downMs);
      });
    }
  }

  #restart(
    process: number,
    running: GatewayProcess,
    how: SchedulePlan['restarts'][number]['how'],
    downMs: number,
  ): void {
    const startAgain = (): void => this.#at(downMs, () => this.#start(process));
    if (how === 'stop') void running.stop().then(startAgain);
    else if (how === 'kill') {
      running.kill();
      startAgain();
    } else {
      this.#start(process);
      this.#at(downMs, () => {
        if (running.isUp) void running.stop();
      });
    }
  }

  /** Trouble is over: only what is still on its way may go wrong. */
  #mend(): void {
    this.#stores.archiveWeather.mode = 'well';
    this.#stores.ledgerWeather.mode = 'well';
    this.#isApiAway = false;
    for (const { gateway } of this.#latest) {
      if (gateway === undefined) continue;
      gateway.writer.refusal = 0;
      gateway.writer.loss = 0;
      gateway.writer.confirmMaxMs = CONFIRM_MAX_MS;
      gateway.setBroker('open');
    }
  }

  /**
   * Waits until everything is well, was so for a while, and nothing is missing that may still come.
   */
  async #recover(): Promise<string[]> {
    let wasWell = false;
    for (let passedMs = 0; passedMs < RECOVERY_MAX_MS; passedMs += STEP_MS) {
      await this.#pass(STEP_MS);
      this.#mend();
      const isWell = this.#isWell();
      if (wasWell && isWell && this.#judgeEvents().length === 0) return [];
      // An event that the network has swallowed is missed when the next one comes.
      if (isWell) this.#discord.scenario.strike({ fault: 'unknown-event' });
      wasWell = isWell;
    }
    await this.#pass(STEP_MS);
    if (this.#isWell()) return [];
    const states = this.#latest.map(({ state, owned, gateway }) => {
      return `${state} with ${gateway?.ready.size ?? 0} of ${owned.length} shards ready`;
    });
    return [`not well: ${states.join(', ')}; ${this.#commands.open} commands open`];
  }

  #isWell(): boolean {
    const up = this.#all.filter(({ isUp }) => isUp);
    const isAlone = up.length === this.#latest.length;
    return isAlone && up.every(({ isWell }) => isWell) && this.#commands.open === 0;
  }

  #judgeEvents(): readonly string[] {
    const options = { isLossy: this.#plan.loss > 0, archiveHasLost: this.#stores.hasLost };
    return judgeEvents(this.#discord, this.#all, options);
  }

  #judge(): string[] {
    const hasCrashes = this.#plan.crashes.length > 0;
    const all = this.#all;
    return [
      ...judgeIdentifies(this.#discord, this.#plan, all),
      ...this.#judgeEvents(),
      ...this.#commands.problems(hasCrashes),
      ...all.flatMap(({ sockets }) => sockets?.problems ?? []),
      ...all.flatMap(({ failures }) => failures.map((failure) => `failure: ${String(failure)}`)),
      ...(hasCrashes ? [] : this.#errors()),
    ];
  }

  #errors(): readonly string[] {
    const lines = this.#all.flatMap(({ log }) => log.at('error'));
    return lines.map(({ message, fields }) => `error: ${message} ${String(fields.error ?? '')}`);
  }

  async #stop(): Promise<void> {
    let stopped = false;
    const up = this.#all.filter(({ isUp }) => isUp);
    void Promise.all(up.map((process) => process.stop())).then(() => {
      stopped = true;
    });
    while (!stopped) await this.#pass(NETWORK_MS);
    const killed = this.#all.filter(({ state }) => state === 'killed');
    await Promise.all(killed.map((process) => process.bury()));
  }

  #pass(ms: number): Promise<void> {
    return this.#clock.advanceSettled(ms, async () => {
      for (const { state, system } of this.#all) {
        if (state !== 'killed' && state !== 'stopped') await system.idle();
      }
    });
  }

  #shardOf(session: string): number | undefined {
    for (const { session: id, shard } of this.#discord.audit.of('session-start')) {
      this.#sessionShards.set(id, shard[0]);
    }
    return this.#sessionShards.get(session);
  }
}
