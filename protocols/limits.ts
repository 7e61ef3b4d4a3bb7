/**
 * Every bound of the project, with the policy at the bound: the one module to import them from.
 *
 * They stand in rooms by area, `limits/<area>.ts`. Numbers that Discord sets are named after the
 * rule; numbers that we chose say why. What has to hold between the bounds of one room is asserted
 * in it, and between those of several rooms here, so that changing one that breaks another fails at
 * start.
 */
import { ACTOR_MAILBOX_MAX_MESSAGES, ACTOR_STOP_HOOK_DEADLINE_MS } from './limits/actors.ts';
import { BROKER_CLOSE_MS, BROKER_UNSUBSCRIBE_MS, CONSUMER_PREFETCH } from './limits/brokers.ts';
import { COMMANDS_MAX, COMMANDS_PER_SHARD_MAX } from './limits/commands.ts';
import { HOLD_MAX_MS } from './limits/events.ts';
import {
  GATEWAY_SHUTDOWN_MS,
  HEARTBEAT_INTERVAL_MAX_MS,
  HEARTBEAT_INTERVAL_MIN_MS,
  HELLO_TIMEOUT_MS,
  PROCESS_SHARDS_MAX,
  READY_TIMEOUT_MS,
  RESUMED_TIMEOUT_MS,
} from './limits/gateway.ts';
import { BODIES_HELD_MAX_BYTES, BODY_HELD_MAX_BYTES } from './limits/http-door.ts';
import { IDENTIFY_LEDGER_TIMEOUT_MS, IDENTIFY_PREPARE_TIMEOUT_MS } from './limits/identify.ts';
import { PROXY_BODIES_MAX_BYTES, PROXY_DRAIN_MS } from './limits/proxy.ts';
import { BUCKET_IDLE_MS, RESET_MARGIN_MS } from './limits/rate-limits.ts';
import { requireRelations } from './limits/relations.ts';
import { PROCESS_STOP_DEADLINE_MS, RUN_DRAIN_MS, SERVICE_STOP_MS } from './limits/services.ts';
import {
  SESSION_FLUSH_MS,
  SESSION_RESUMABLE_MS,
  SESSION_STORE_TIMEOUT_MS,
} from './limits/sessions.ts';
import {
  SHARED_CLOCK_ERROR_MAX_MS,
  SHARED_KEPT_MS,
  SHARED_LEAVE_MS,
} from './limits/shared-limits.ts';

export * from './limits/actors.ts';
export * from './limits/amqp.ts';
export * from './limits/brokers.ts';
export * from './limits/cache.ts';
export * from './limits/client.ts';
export * from './limits/commands.ts';
export * from './limits/configuration.ts';
export * from './limits/events.ts';
export * from './limits/gateway.ts';
export * from './limits/http-door.ts';
export * from './limits/identify.ts';
export * from './limits/proxy.ts';
export * from './limits/rate-limits.ts';
export * from './limits/redis.ts';
export * from './limits/services.ts';
export * from './limits/sessions.ts';
export * from './limits/shared-limits.ts';
export * from './limits/simulator.ts';
export * from './limits/stdio.ts';
export * from './limits/upstream.ts';

requireRelations([
  [
    2 * PROCESS_SHARDS_MAX <= ACTOR_MAILBOX_MAX_MESSAGES,
    'PROCESS_SHARDS_MAX: the governor would not hear of all shards',
  ],
  [
    SESSION_STORE_TIMEOUT_MS < IDENTIFY_LEDGER_TIMEOUT_MS,
    'IDENTIFY_LEDGER_TIMEOUT_MS: a ledger would count as away while it still waits for its store',
  ],
  [
    HELLO_TIMEOUT_MS < IDENTIFY_PREPARE_TIMEOUT_MS,
    'IDENTIFY_PREPARE_TIMEOUT_MS: a shard would lose its place while it waits for HELLO',
  ],
  [
    HOLD_MAX_MS < READY_TIMEOUT_MS && HOLD_MAX_MS < RESUMED_TIMEOUT_MS,
    'HOLD_MAX_MS: a held READY or RESUMED would be taken for a silent peer',
  ],
  [
    GATEWAY_SHUTDOWN_MS + SESSION_FLUSH_MS + RUN_DRAIN_MS + SHARED_LEAVE_MS + BROKER_CLOSE_MS <=
      SERVICE_STOP_MS && SERVICE_STOP_MS < PROCESS_STOP_DEADLINE_MS,
    'SERVICE_STOP_MS: a run could not save its sessions and close its brokers before its time is up',
  ],
  [
    BROKER_UNSUBSCRIBE_MS + PROXY_DRAIN_MS + BROKER_CLOSE_MS < PROCESS_STOP_DEADLINE_MS,
    'PROXY_DRAIN_MS: a stopping proxy has to close its broker, too, before its time is up',
  ],
  [
    BODY_HELD_MAX_BYTES <= BODIES_HELD_MAX_BYTES && BODIES_HELD_MAX_BYTES <= PROXY_BODIES_MAX_BYTES,
    'BODIES_HELD_MAX_BYTES: a body that is held in memory would be refused for its size',
  ],
  [
    HEARTBEAT_INTERVAL_MIN_MS > 0 && HEARTBEAT_INTERVAL_MAX_MS <= SESSION_RESUMABLE_MS,
    'HEARTBEAT_INTERVAL_MAX_MS: a dead connection would outlive the session that it had',
  ],
  [
    COMMANDS_MAX < CONSUMER_PREFETCH && COMMANDS_PER_SHARD_MAX < COMMANDS_MAX,
    'COMMANDS_MAX: slow shards would keep the commands of the others from being delivered',
  ],
  [
    GATEWAY_SHUTDOWN_MS + SESSION_FLUSH_MS + BROKER_CLOSE_MS < PROCESS_STOP_DEADLINE_MS &&
      SESSION_FLUSH_MS < ACTOR_STOP_HOOK_DEADLINE_MS,
    'SESSION_FLUSH_MS: shards, sessions and broker stop one after the other, and a hook has a deadline',
  ],
  [
    2 * SHARED_CLOCK_ERROR_MAX_MS <= RESET_MARGIN_MS,
    'SHARED_CLOCK_ERROR_MAX_MS: one proxy would send before the reset that another has heard of',
  ],
  [
    SHARED_KEPT_MS >= 2 * BUCKET_IDLE_MS,
    'SHARED_KEPT_MS: a bucket that is in use would be forgotten',
  ],
]);
