/**
 * One session of the simulated gateway: its events in order, the replay buffer, and its life
 * without a connection.
 *
 * Numbers start at 1 with READY and have no gaps. Events go on while no connection is there, as
 * Discord's do; they wait in the buffer. A session without a connection ends after the timeout.
 */
import { GatewayIntentBits } from 'discord-api-types/v10';
import type { Clock, Timer } from '../../../protocols/ports.ts';
import type { ShardPair } from '../audit.ts';
import type { World } from '../world.ts';
import type { ConnectParameters, Framing } from './link.ts';
import type { GatewayOptions } from './options.ts';
import { type Dispatch, ReplayBuffer } from './replay-buffer.ts';

/** Payload compression is for what is worth it; Discord does not compress every payload either. */
const DEFLATE_FROM_LENGTH = 512;
const NOT_REPEATED = new Set(['READY', 'RESUMED']);
const DEFLATED: Framing = { deflated: true };

export type SessionSettings = {
  readonly id: string;
  /**
   * As the client wrote it in IDENTIFY: a RESUME has to carry the same. Never leaves the gateway.
   */
  readonly token: string;
  readonly shard: ShardPair;
  readonly intents: number;
  readonly largeThreshold: number | undefined;
  readonly deflates: boolean;
  readonly parameters: ConnectParameters;
};

/** What carries a session's events to its client. */
export interface DispatchCarrier {
  sendDispatch(dispatch: Dispatch, framing: Framing | undefined, sent: () => void): void;
}

export class Session<Carrier extends DispatchCarrier = DispatchCarrier> {
  readonly settings: SessionSettings;
  connection: Carrier | undefined;
  /** The number of the latest event, sent or not. */
  sequence = 0;
  /** The highest number that went onto a link: what a client can know of. */
  sentSequence = 0;
  readonly #clock: Clock;
  readonly #options: GatewayOptions;
  readonly #buffer: ReplayBuffer;
  readonly #unavailable = new Set<string>();
  #hasEnded = false;
  #guildTimer: Timer | undefined;
  #expiry: Timer | undefined;

  constructor(settings: SessionSettings, clock: Clock, options: GatewayOptions) {
    this.settings = settings;
    this.#clock = clock;
    this.#options = options;
    this.#buffer = new ReplayBuffer(options.replayEvents, options.replayBytes);
  }

  get id(): string {
    return this.settings.id;
  }

  get shard(): ShardPair {
    return this.settings.shard;
  }

  has(intents: number): boolean {
    return (this.settings.intents & intents) !== 0;
  }

  /**
   * Guilds that READY named and whose GUILD_CREATE has not been sent yet: no other event of them
   * is.
   */
  isUnavailable(guildId: string): boolean {
    return this.#unavailable.has(guildId);
  }

  dispatch(event: string, json: string): void {
    this.sequence++;
    const dispatch: Dispatch = { sequence: this.sequence, event, json };
    this.#buffer.push(dispatch);
    this.#send(dispatch);
  }

  /** The latest event again, under a new number: Discord may send an event more than once. */
  repeat(): void {
    const latest = this.#buffer.latest;
    if (latest !== undefined && !NOT_REPEATED.has(latest.event)) {
      this.dispatch(latest.event, latest.json);
    }
  }

  /** Events after `sequence`, or undefined when some of them are forgotten. */
  missed(sequence: number): readonly Dispatch[] | undefined {
    return this.#buffer.after(sequence, this.sequence);
  }

  replay(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) this.#send(dispatch);
  }

  attach(connection: Carrier): void {
    this.#expiry?.cancel();
    this.connection = connection;
  }

  /** The connection is gone; `expired` runs unless another comes in time. */
  detach(expired: () => void): void {
    this.connection = undefined;
    this.#expiry?.cancel();
    this.#expiry = this.#clock.setTimer(this.#options.sessionTimeoutMs, expired);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  end(): void {
    this.#hasEnded = true;
    this.#expiry?.cancel();
    this.#guildTimer?.cancel();
    this.connection = undefined;
  }

  /** Starts the GUILD_CREATEs of the guilds that READY listed as unavailable. */
  streamGuilds(world: World, guildIds: readonly string[]): void {
    if (!this.has(GatewayIntentBits.Guilds)) return;
    for (const guildId of guildIds) this.#unavailable.add(guildId);
    this.#armGuilds(world);
  }

  #armGuilds(world: World): void {
    if (this.#unavailable.size === 0) return;
    this.#guildTimer = this.#clock.setTimer(this.#options.guildIntervalMs, () => {
      let left = this.#options.guildBatch;
      for (const guildId of this.#unavailable) {
        if (left-- <= 0) break;
        this.#unavailable.delete(guildId);
        this.dispatchGuild(world, guildId);
      }
      this.#armGuilds(world);
    });
  }

  dispatchGuild(world: World, guildId: string): void {
    const { intents, largeThreshold } = this.settings;
    const guild = world.guildCreate(guildId, intents, largeThreshold);
    this.dispatch('GUILD_CREATE', JSON.stringify(guild));
  }

  #send(dispatch: Dispatch): void {
    const { settings } = this;
    const deflate = settings.deflates && dispatch.json.length >= DEFLATE_FROM_LENGTH;
    this.connection?.sendDispatch(dispatch, deflate ? DEFLATED : undefined, () => {
      this.sentSequence = Math.max(this.sentSequence, dispatch.sequence);
    });
  }
}
