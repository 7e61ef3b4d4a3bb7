/** The tree of a broker on virtual time, over a driver whose links do what the test says. */
import type { Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { SpectaclesError } from '../../protocols/errors.ts';
import { startBroker } from '../../supervisors/broker.ts';
import { createActorWorld } from './actor-world.ts';

/** A link that does nothing by itself. */
export class ScriptedLink implements Link {
  readonly hooks: LinkHooks;
  readonly consumed: string[] = [];
  readonly published: { event: string; id: string; confirm: () => void }[] = [];
  readonly written: number[] = [];
  isDestroyed = false;
  isClosed = false;

  constructor(hooks: LinkHooks) {
    this.hooks = hooks;
  }

  readonly sink = {
    prepare: () => undefined,
    send: (
      _route: number,
      _source: Uint8Array,
      _start: number,
      _end: number,
      _origin: unknown,
      sequence: number,
    ) => {
      this.written.push(sequence);
      return true;
    },
  };

  async consume(event: string): Promise<void> {
    this.consumed.push(event);
  }

  async cancel(event: string): Promise<void> {
    this.consumed.splice(this.consumed.indexOf(event), 1);
  }

  publish(event: string, _body: Uint8Array, id: string): Promise<void> {
    return new Promise((resolve) => {
      this.published.push({ event, id, confirm: resolve });
    });
  }

  call(): Promise<Uint8Array> {
    return new Promise(() => undefined);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

/** A broker on virtual time whose links are scripted; nothing is opened before `start`. */
export function createBrokerTree() {
  const world = createActorWorld();
  const links: ScriptedLink[] = [];
  const failures: SpectaclesError[] = [];
  /** What the next openings do; a link when there is nothing left. */
  const openings: ((() => Promise<Link>) | undefined)[] = [];
  const openedAtMs: number[] = [];
  let ids = 0;

  const driver: LinkDriver = {
    label: 'the scripted broker',
    async open(hooks) {
      openedAtMs.push(world.clock.nowMs());
      const opening = openings.shift();
      if (opening) return opening();
      const link = new ScriptedLink(hooks);
      links.push(link);
      return link;
    },
  };

  function last(): ScriptedLink {
    const link = links.at(-1);
    if (!link) throw new Error('no link was opened');
    return link;
  }

  async function start(signal?: AbortSignal, triesAgain = true): Promise<Broker> {
    const { system, clock, log } = world;
    const starting = startBroker({
      driver,
      system,
      clock,
      log,
      makeId: () => `id-${++ids}`,
      onFailure: (error) => failures.push(error),
      triesAgain,
      ...(signal !== undefined && { signal }),
    });
    // It may fail while time passes, and whoever started it is told after that.
    starting.catch(() => undefined);
    await world.pass(0);
    return starting;
  }

  return { world, links, failures, openings, openedAtMs, last, start };
}

/** What became of it, as far as it is known: the code of an error, `done` or `pending`. */
export function outcome(promise: Promise<unknown>): { value: unknown } {
  const seen: { value: unknown } = { value: 'pending' };
  promise.then(
    () => {
      seen.value = 'done';
    },
    (error: SpectaclesError) => {
      seen.value = error.code;
    },
  );
  return seen;
}

export const refuse = () => Promise.reject(new Error('connect ECONNREFUSED'));
export const BODY = Uint8Array.of(0xc0);
