/**
 * What the command line asks of the services it starts. It knows them by this file alone, so that
 * `--help` loads none of them and a test can put its own in their place.
 */
import type { Log } from '../../protocols/ports.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';

/** A service that has started. */
export type RunningService = {
  /**
   * Takes nothing more, finishes or hands back what is in flight, and resolves when all is closed.
   */
  stop(): Promise<void>;
  /**
   * Resolves when the service came to its end by itself and as it should; rejects when it cannot go
   * on. It may stay pending after `stop`.
   */
  readonly done: Promise<void>;
};

/** What the process lends to a service. */
export type ServiceRuntime = {
  readonly log: Log;
  /** Aborted when the process was asked to stop, also while the service is still starting. */
  readonly signal: AbortSignal;
};

export type SimulatorOptions = {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** What `/gateway/bot` recommends. */
  readonly shards: number;
  readonly maxConcurrency: number;
  /** Over all shards; 0 for none. */
  readonly eventsPerSecond: number;
  /** Undefined: draw one, and log it. */
  readonly seed: number | undefined;
  /** A file that exists; what is in it is not looked at yet. */
  readonly scenarioFile: string | undefined;
};

export type HandlerModule = Readonly<Record<string, unknown>>;

export type RunOptions = {
  readonly gateway: GatewayConfig;
  readonly proxy: ProxyConfig;
  /** Undefined: the real Discord. */
  readonly simulator: SimulatorOptions | undefined;
  readonly handler: {
    /** Absolute. */
    readonly path: string;
    /** Imports the file; rejects with HandlerLoadError when it throws on load. */
    load(): Promise<HandlerModule>;
    /** Says in one line what the handler threw, and where in its file. */
    failure(error: unknown): Promise<Error>;
    /** Where in the handler's file an error comes from, as `bot.mjs:12`; undefined: not there. */
    placeOf(error: unknown): string | undefined;
  };
};

/** One thing that `spectacles check` tries: resolves with what was found, rejects with why not. */
export type Probe = {
  readonly name: string;
  /** The address that is tried; undefined for what is no connection. */
  readonly place?: string;
  run(): Promise<string>;
};

export type Services = {
  startGateway(config: GatewayConfig, runtime: ServiceRuntime): Promise<RunningService>;
  startProxy(config: ProxyConfig, runtime: ServiceRuntime): Promise<RunningService>;
  startRun(options: RunOptions, runtime: ServiceRuntime): Promise<RunningService>;
  startSimulate(options: SimulatorOptions, runtime: ServiceRuntime): Promise<RunningService>;
  gatewayProbes(config: GatewayConfig): readonly Probe[];
  proxyProbes(config: ProxyConfig): readonly Probe[];
};
