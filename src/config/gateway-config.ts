/**
 * The gateway's configuration, read and checked as a whole.
 *
 * It fails with one ConfigurationError that has a line for each thing that is wrong.
 */
import type { GatewayPresenceUpdateData } from 'discord-api-types/v10';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import type { Address } from './address.ts';
import type { AmqpEndpoint, RedisEndpoint } from './broker-urls.ts';
import type { EventFilter } from './discord-readers.ts';
import { GATEWAY_OPTIONS } from './gateway-options.ts';
import { completed, type Findings, type LayerKind, type Resolved } from './layers.ts';
import { type ConfigurationSource, type Loaded, load } from './load.ts';
import type { ValuesOf } from './options.ts';

export type GatewayConfig = {
  /** Without `Bot `. */
  readonly token: string;
  readonly events: EventFilter;
  /** The bit set of IDENTIFY. */
  readonly intents: number;
  readonly gatewayVersion: number;
  readonly compression: 'zstd-stream' | 'zlib-stream' | 'none';
  /** Undefined: Discord's own default. */
  readonly largeThreshold: number | undefined;
  readonly shards: {
    /** Undefined: as many as Discord recommends. */
    readonly count: number | undefined;
    /** Ascending, none twice, all below `count` where that is given. Undefined: all. */
    readonly ids: readonly number[] | undefined;
  };
  readonly broker: {
    /** `memory` never comes from a file: it is what `spectacles run` uses unless told otherwise. */
    readonly type: 'stdio' | 'redis' | 'amqp' | 'memory';
    readonly group: string;
    readonly messageTimeoutMs: number;
    readonly retentionMs: number;
    readonly payload: PayloadMode;
  };
  readonly api: DiscordApi;
  readonly prometheus: {
    /** Undefined: no metrics server. */
    readonly address: Address | undefined;
    /** With its slash. */
    readonly endpoint: string;
  };
  readonly shardStore: {
    readonly type: 'local' | 'file' | 'redis';
    readonly prefix: string;
    /** Of the file; from the working folder unless it is absolute. */
    readonly path: string;
  };
  readonly identify: {
    /** So many of the day's session starts are never used. */
    readonly floor: number;
  };
  readonly presence: GatewayPresenceUpdateData | undefined;
  readonly amqp: AmqpEndpoint;
  readonly redis: {
    /** At least one; more than one are nodes of a cluster. */
    readonly endpoints: readonly RedisEndpoint[];
    readonly poolSize: number;
  };
};

export type DiscordApi = {
  readonly version: number;
  readonly scheme: 'https' | 'http';
  /** With a port where it has one. */
  readonly host: string;
};

type Table = typeof GATEWAY_OPTIONS;

/** Reads gateway.toml, or what stands for it, and the environment. */
export async function loadGatewayConfig(
  source: ConfigurationSource,
): Promise<Loaded<Table, GatewayConfig>> {
  return load(GATEWAY_OPTIONS, source, (resolved, findings, redactor) => {
    check(resolved, findings);
    const values = completed(resolved, findings, redactor);
    return assemble(values, chosenIntents(resolved));
  });
}

/** The original opened a pool; here a link opens one connection for each of its roles. */
export const POOL_SIZE_WARNING =
  'redis.pool_size changes nothing: as many connections are opened as there are uses for one';

const RANKS: readonly LayerKind[] = ['default', 'file', 'environment'];

/**
 * The bits of the higher source; of two from the same source, those of raw_intents unless it is 0.
 */
function chosenIntents({ values, origins }: Resolved<Table>): number {
  const named = values.intents?.bits;
  const raw = values.raw_intents;
  if (named === undefined || raw === undefined) return named ?? raw ?? 0;
  const namedRank = RANKS.indexOf(origins.get('intents')?.kind ?? 'default');
  const rawRank = RANKS.indexOf(origins.get('raw_intents')?.kind ?? 'default');
  if (namedRank !== rawRank) return namedRank > rawRank ? named : raw;
  return raw === 0 ? named : raw;
}

/** What no single option can know. */
function check({ values, origins }: Resolved<Table>, { problems, warnings }: Findings): void {
  if (!origins.has('intents') && !origins.has('raw_intents')) {
    problems.push(
      'intents (or DISCORD_INTENTS) or raw_intents (or DISCORD_RAW_INTENTS) is not set: one must be, such as intents = ["GUILDS", "GUILD_MESSAGES"]',
    );
  }
  const { intents, raw_intents: raw } = values;
  for (const warning of intents?.warnings ?? []) warnings.push(warning);
  // In a file of the original a 0 beside `intents` means nothing.
  const isSaidTwice = intents !== undefined && raw !== undefined && raw !== 0;
  if (isSaidTwice && intents.bits !== raw) {
    const used = chosenIntents({ values, origins }) === raw ? 'raw_intents' : 'intents';
    warnings.push(`intents and raw_intents differ; ${used} is used`);
  }
  const { fromGame = false, leftOut = [] } = values.presence ?? {};
  const where = origins.get('presence')?.where ?? 'presence';
  if (fromGame) warnings.push(`${where}: game is the old form; write activities, a list`);
  if (leftOut.length > 0) {
    warnings.push(`${where}: Discord takes no ${leftOut.join(', ')} from a bot; not sent`);
  }
  const poolSize = origins.get('redis.pool_size')?.kind ?? 'default';
  if (poolSize !== 'default') warnings.push(POOL_SIZE_WARNING);
  checkShards(values, problems);
}

function checkShards(values: Partial<ValuesOf<Table>>, problems: string[]): void {
  const count = values['shards.count'];
  const highest = values['shards.ids']?.at(-1);
  if (count === undefined || highest === undefined || highest < count) return;
  problems.push(
    `shards.ids: ${highest} is not a shard of ${count}: with shards.count = ${count} the ids are 0 to ${count - 1}`,
  );
}

function assemble(values: ValuesOf<Table>, intents: number): GatewayConfig {
  return {
    token: values.token,
    events: values.events,
    intents,
    gatewayVersion: values.gateway_version,
    compression: values.compression,
    largeThreshold: values.large_threshold,
    shards: { count: values['shards.count'], ids: values['shards.ids'] },
    broker: {
      type: values['broker.type'],
      group: values['broker.group'],
      messageTimeoutMs: values['broker.message_timeout'],
      retentionMs: values['broker.retention'],
      payload: values['broker.payload'],
    },
    api: {
      version: values['api.version'],
      scheme: values['api.scheme'],
      host: values['api.host'],
    },
    prometheus: {
      address: values['prometheus.address'],
      endpoint: values['prometheus.endpoint'],
    },
    shardStore: {
      type: values['shard_store.type'],
      prefix: values['shard_store.prefix'],
      path: values['shard_store.path'],
    },
    identify: { floor: values['identify.floor'] },
    presence: values.presence?.data,
    amqp: values['amqp.url'],
    redis: { endpoints: values['redis.urls'], poolSize: values['redis.pool_size'] },
  };
}
