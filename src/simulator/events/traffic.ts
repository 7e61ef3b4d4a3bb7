/**
 * The events of a busy bot's day, made one by one from a random source.
 *
 * `next` draws the kind of event by weight: mostly presences, messages and typing, and now and then
 * each of the others. What Discord sends only as an answer (READY, chunks, …) is never drawn, but
 * `make` makes it. Equal worlds, sources and times give equal events. Messages are kept by the
 * world, so that later events and the REST side find them; an unavailable guild is quiet until it
 * comes back.
 */
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  intentsFor,
  isDispatchEvent,
} from '../../../protocols/discord/dispatch-events.ts';
import type { Random } from '../../../protocols/ports.ts';
import { suggest } from '../../../protocols/suggest.ts';
import { NothingToPickError } from '../world/draw.ts';
import type { World } from '../world.ts';
import type { SimulatedEvent } from './event.ts';
import { MAKERS } from './makers.ts';
import { Scene } from './scene.ts';

export type TrafficOptions = {
  /** The share of MESSAGE_CREATE whose content is exactly `ping`. */
  readonly pingShare?: number;
};

export interface Traffic {
  /** The next event of a busy bot's day. */
  next(nowEpochMs: number): SimulatedEvent;
  /** An event of that name; throws RangeError when the name is not documented. */
  make(eventName: string, nowEpochMs: number): SimulatedEvent;
}

const PING_SHARE = 0.02;

/** How often an event comes, relative to the others; those not named here come once. */
const WEIGHTS: Partial<Record<DispatchEventName, number>> = {
  PRESENCE_UPDATE: 4_000,
  MESSAGE_CREATE: 2_200,
  TYPING_START: 1_200,
  GUILD_MEMBER_UPDATE: 500,
  VOICE_STATE_UPDATE: 450,
  MESSAGE_REACTION_ADD: 400,
  MESSAGE_UPDATE: 380,
  INTERACTION_CREATE: 150,
  MESSAGE_DELETE: 120,
  GUILD_MEMBER_ADD: 90,
  GUILD_MEMBER_REMOVE: 80,
  MESSAGE_REACTION_REMOVE: 60,
  GUILD_AUDIT_LOG_ENTRY_CREATE: 50,
  CHANNEL_UPDATE: 40,
  THREAD_MEMBERS_UPDATE: 30,
  THREAD_UPDATE: 25,
  THREAD_CREATE: 20,
  MESSAGE_POLL_VOTE_ADD: 20,
  INVITE_CREATE: 15,
  GUILD_ROLE_UPDATE: 15,
  GUILD_UPDATE: 12,
  VOICE_CHANNEL_STATUS_UPDATE: 12,
  VOICE_CHANNEL_START_TIME_UPDATE: 12,
  CHANNEL_CREATE: 10,
  CHANNEL_DELETE: 8,
  MESSAGE_DELETE_BULK: 8,
  AUTO_MODERATION_ACTION_EXECUTION: 8,
  GUILD_BAN_ADD: 6,
  VOICE_CHANNEL_EFFECT_SEND: 6,
  GUILD_EMOJIS_UPDATE: 5,
  MESSAGE_POLL_VOTE_REMOVE: 5,
  CHANNEL_PINS_UPDATE: 5,
  GUILD_CREATE: 4,
  GUILD_DELETE: 4,
  READY: 0,
  RESUMED: 0,
  RATE_LIMITED: 0,
  GUILD_MEMBERS_CHUNK: 0,
  CHANNEL_INFO: 0,
  SOUNDBOARD_SOUNDS: 0,
};

export function createTraffic(world: World, random: Random, options: TrafficOptions = {}): Traffic {
  const scene = new Scene(world, random, options.pingShare ?? PING_SHARE);
  const steps = cumulativeWeights();
  const total = steps.at(-1)?.upTo ?? 0;
  return {
    next(nowEpochMs) {
      const drawn = random() * total;
      const step = steps.find(({ upTo }) => drawn < upTo);
      return makeAnyway(scene, step?.name ?? 'PRESENCE_UPDATE', nowEpochMs);
    },
    make(eventName, nowEpochMs) {
      if (isDispatchEvent(eventName)) return makeEvent(scene, eventName, nowEpochMs);
      const near = suggest(eventName, DISPATCH_EVENTS);
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      throw new RangeError(`${eventName} is not a documented dispatch event${hint}`);
    },
  };
}

/** The likeliest first, so that most draws end early. */
function cumulativeWeights(): { readonly name: DispatchEventName; readonly upTo: number }[] {
  const weighted = DISPATCH_EVENTS.map((name) => ({ name, weight: WEIGHTS[name] ?? 1 }));
  weighted.sort((one, other) => other.weight - one.weight);
  let upTo = 0;
  return weighted.map(({ name, weight }) => {
    upTo += weight;
    return { name, upTo };
  });
}

/** Where a bot has deleted what the event is about, the bot itself changes instead. */
function makeAnyway(scene: Scene, name: DispatchEventName, nowEpochMs: number): SimulatedEvent {
  try {
    return makeEvent(scene, name, nowEpochMs);
  } catch (error) {
    if (error instanceof NothingToPickError) return makeEvent(scene, 'USER_UPDATE', nowEpochMs);
    throw error;
  }
}

function makeEvent(scene: Scene, name: DispatchEventName, nowEpochMs: number): SimulatedEvent {
  scene.nowEpochMs = nowEpochMs;
  const { d, guildId, intents } = MAKERS[name](scene);
  return { t: name, d, guildId, intents: intents ?? intentsFor(name, guildId !== null) };
}
