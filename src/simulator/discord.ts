/**
 * A whole simulated Discord on any clock: one world, seen through its gateway and its REST API.
 *
 * All that happens follows from the seed, the clock and what clients do. There is no I/O in here: a
 * server puts it on real sockets, a virtual network on virtual time.
 */
import type { Clock } from '../../protocols/ports.ts';
import { createRandom } from '../random.ts';
import { Audit } from './audit.ts';
import type { SimulatedEvent } from './events/event.ts';
import { createTraffic, type Traffic, type TrafficOptions } from './events/traffic.ts';
import { Credentials } from './gateway/credentials.ts';
import { FaultInjector } from './gateway/faults.ts';
import { SimulatedGateway } from './gateway/gateway.ts';
import type { GatewayOptions } from './gateway/options.ts';
import type { GatewayAddresses } from './gateway/ports.ts';
import type { RestOptions } from './rest/options.ts';
import { SimulatedRest } from './rest/simulated-rest.ts';
import { ScenarioRunner } from './scenario-runner.ts';
import { SIMULATED_TOKEN } from './token.ts';
import { TrafficPump } from './traffic-pump.ts';
import { createWorld, type World } from './world.ts';

export type SimulatedDiscordOptions = {
  readonly clock: Clock;
  readonly seed: number;
  readonly guildCount?: number;
  /** The tokens that are accepted, with or without `Bot `. */
  readonly tokens?: readonly string[];
  readonly addresses?: GatewayAddresses;
  readonly gateway?: Partial<GatewayOptions>;
  readonly rest?: Partial<RestOptions>;
  readonly traffic?: TrafficOptions;
};

/** Where the gateway is when no server says otherwise. */
export const VIRTUAL_ADDRESSES: GatewayAddresses = {
  main: 'ws://gateway.simulated',
  resume: 'ws://resume.simulated',
};

const GUILD_COUNT = 8;

export class SimulatedDiscord {
  readonly clock: Clock;
  readonly seed: number;
  readonly world: World;
  readonly traffic: Traffic;
  readonly audit: Audit;
  readonly credentials: Credentials;
  readonly gateway: SimulatedGateway;
  readonly rest: SimulatedRest;
  readonly #pump: TrafficPump;
  readonly #faults: FaultInjector;
  readonly scenario: ScenarioRunner;

  constructor(options: SimulatedDiscordOptions) {
    const { clock, seed } = options;
    this.clock = clock;
    this.seed = seed;
    const guildCount = options.guildCount ?? GUILD_COUNT;
    this.world = createWorld({ seed, guildCount, startEpochMs: clock.epochMs() });
    this.audit = new Audit(() => clock.nowMs());
    this.credentials = new Credentials(options.tokens ?? [SIMULATED_TOKEN]);
    const { world, audit, credentials } = this;
    // One random source for each part, so that a draw in one does not shift the others.
    const ports = { clock, world, audit, credentials };
    this.gateway = new SimulatedGateway(
      { ...ports, random: createRandom(seed + 1) },
      options.addresses ?? VIRTUAL_ADDRESSES,
      options.gateway,
    );
    this.rest = new SimulatedRest(
      {
        clock,
        world,
        credentials,
        random: createRandom(seed + 4),
        gatewayFacts: () => this.gateway.facts(),
        publish: (event) => this.publish(event),
      },
      options.rest,
    );
    this.traffic = createTraffic(world, createRandom(seed + 2), options.traffic);
    this.#pump = new TrafficPump(clock, this.traffic, (event) => this.publish(event));
    this.#faults = new FaultInjector({
      ...ports,
      gateway: this.gateway,
      random: createRandom(seed + 3),
      burst: (events) => this.#pump.burst(events),
    });
    this.scenario = new ScenarioRunner(clock, this.#faults);
  }

  /** Events a second, over all of the world; zero stops them. */
  setRate(rate: number): void {
    this.#pump.setRate(rate);
  }

  /** Shows an event to every session that it is for. */
  publish(event: SimulatedEvent): void {
    this.gateway.publish(event);
  }

  /** Makes an event of that name happen and returns it. */
  emit(eventName: string): SimulatedEvent {
    const event = this.traffic.make(eventName, this.clock.epochMs());
    this.publish(event);
    return event;
  }

  /** Ends everything: traffic, faults, sessions and connections. */
  stop(): void {
    this.#pump.setRate(0);
    this.scenario.stop();
    this.#faults.stop();
    this.gateway.stop();
  }
}
