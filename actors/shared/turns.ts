/**
 * A machine whose knowledge is shared with other proxies: each of its steps counts only if the
 * store agrees that nobody else's came first.
 *
 * Purpose: that a bucket, or a gate, is one for all proxies, with the same machine that decides
 * alone.
 *
 * Inner workings. A machine is a pure function, so a step can be tried. What comes in is tried on
 * what is known here; if the step says nothing that others have to know, it counts at once. If it
 * does, the new knowledge is offered to the store with the version it was made from, and the
 * effects wait until it is kept. If somebody else was first, their knowledge takes the place of
 * ours and the same inputs are tried again, at the time it is then. What comes in meanwhile waits
 * for the next try, so a busy machine puts more into one. Every conflict is somebody else's
 * progress.
 *
 * Whoever waits says for what, is told of changes, and looks again every SHARED_POLL_MS all the
 * same, since the word may be lost. It also learns what those wait for who have waited longer, and
 * leaves that to them: otherwise the proxy that is nearest to the store would always be first.
 *
 * Failure modes. While the store is away, steps count at once, on the share of the limits that this
 * proxy has then, once what others did before cannot matter any more. When it is back, what was
 * decided alone is united with what is there before anything else counts; and likewise what is
 * known here with a store that has forgotten it.
 */
import { SHARED_HEARTBEAT_MS, SHARED_MISSED_MS, SHARED_POLL_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { Answer, SharedLimits, SharedStanding } from '../../protocols/shared-limits.ts';

export type Step<State, Effect> = { readonly state: State; readonly effects: readonly Effect[] };

/** Where the store's time is, seen from ours. */
export type StoreTime = Pick<SharedLimits, 'offsetMs' | 'errorMs'>;

/** How a machine can be shared. All of it is pure. */
export interface SharedMachine<State, Input, Effect> {
  /** What makes it look again at everything. */
  readonly look: Input;
  transition(state: State, input: Input, nowMs: number): Step<State, Effect>;
  /** Puts the share of the limits, and what others have waited longer for, into the state. */
  arrange(state: State, share: number, ahead: readonly string[]): State;
  /** Whether others have to know of the step before it counts. */
  isNews(before: State, after: State, effects: readonly Effect[], nowMs: number): boolean;
  /** Whether somebody was served by these effects. */
  isTurn(effects: readonly Effect[]): boolean;
  /** What it waits for, as others are to be told; null if it does not wait. */
  waitsFor(state: State, nowMs: number): string | null;
  /** Whether what the store has of it expires while it is still true. */
  holds(state: State): boolean;
  write(
    state: State,
    time: StoreTime,
    nowMs: number,
  ): { readonly text: string; readonly keptMs: number };
  /** Takes over what the store has; `apart`: and unites it with what is known here. */
  adopt(state: State, text: string | null, apart: boolean, time: StoreTime, nowMs: number): State;
  /** Until `untilMs` others may have done what is not heard of here. */
  unsure(state: State, untilMs: number): State;
}

/** A step that is not known to count yet. */
type Tried<State, Effect> = Step<State, Effect> & {
  /** How many of the inputs are in it. */
  readonly inputs: number;
  readonly version: string;
};

type Question<State, Effect> = {
  /** The step that counts if it is kept; null where the place is only looked at. */
  readonly tried: Tried<State, Effect> | null;
  readonly askedMs: number;
  readonly waits: boolean;
};

export type SharedTurnsOptions<State, Input, Effect> = {
  readonly machine: SharedMachine<State, Input, Effect>;
  readonly limits: SharedLimits;
  readonly place: string;
  readonly clock: Clock;
  readonly state: State;
  /** Whether the state holds what a predecessor knew, which the store may not. */
  readonly apart: boolean;
  /** Brings an answer back, as a message, to whoever calls `hear`. */
  answered(answer: Answer | null): void;
};

export class SharedTurns<State, Input, Effect> {
  readonly #options: SharedTurnsOptions<State, Input, Effect>;
  #state: State;
  readonly #inputs: Input[] = [];
  #question: Question<State, Effect> | null = null;
  #version = '';
  #ahead: readonly string[] = [];
  /** What is known here has to be united with what is there. */
  #apart: boolean;
  /** It has been united here, and the store does not have that yet. */
  #isUntold = false;
  /** What is known here is to be offered whether it is news or not. */
  #mustTell = false;
  #mustLook = false;
  #isAlone = false;
  #joined: number;
  #forgotten: number;
  /** When the store last took something; and whether it knows that we wait. */
  #toldMs = 0;
  #waitIsKnown = false;
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(options: SharedTurnsOptions<State, Input, Effect>) {
    this.#options = options;
    this.#state = options.state;
    this.#apart = options.apart;
    const { joined, forgotten } = options.limits.standing;
    this.#joined = joined;
    this.#forgotten = forgotten;
  }

  /** Whether something has come in that does not count yet. */
  get isBusy(): boolean {
    return this.#inputs.length > 0;
  }

  /** Whether to look again before long, without being told to. */
  get mustPoll(): boolean {
    const { machine, clock } = this.#options;
    return machine.holds(this.#state) || machine.waitsFor(this.#state, clock.nowMs()) !== null;
  }

  /** Something for the machine. Returns the steps that count from now on, in order. */
  take(input: Input): readonly Step<State, Effect>[] {
    this.#inputs.push(input);
    return this.#advance();
  }

  /** There is reason to look at what the store has. */
  look(): readonly Step<State, Effect>[] {
    const { machine, clock } = this.#options;
    this.#mustLook = true;
    const toldLately = clock.nowMs() - this.#toldMs < SHARED_POLL_MS;
    if (!toldLately && machine.holds(this.#state)) this.#mustTell = true;
    return this.#advance();
  }

  hear(answer: Answer | null): readonly Step<State, Effect>[] {
    const question = this.#question;
    this.#question = null;
    if (question === null) return [];
    const { tried } = question;
    if (answer === null) {
      this.#inputs.push(this.#options.machine.look);
      return this.#advance();
    }
    this.#heardMs = question.askedMs;
    this.#ahead = answer.ahead;
    this.#waitIsKnown = question.waits;
    if (answer.kept && tried !== null) {
      this.#version = tried.version;
      this.#toldMs = question.askedMs;
      this.#mustTell = false;
      this.#isUntold = false;
      const step = this.#count(tried);
      return [step, ...this.#advance()];
    }
    if (!answer.kept) this.#adopt(answer);
    else if (this.#apart) this.#isUntold = true;
    this.#apart = false;
    this.#inputs.push(this.#options.machine.look);
    return this.#advance();
  }

  #advance(): readonly Step<State, Effect>[] {
    if (this.#question !== null) return [];
    const { limits } = this.#options;
    const { standing } = limits;
    if (!standing.together) return this.#goAlone(standing);
    this.#notice(standing);
    if (this.#apart) {
      this.#ask(null);
      return [];
    }
    const mustTell = this.#mustTell || this.#isUntold;
    if (this.#inputs.length === 0 && !mustTell) {
      if (this.#mustLook) this.#ask(null);
      return [];
    }
    const [before, tried] = this.#try(standing.share, this.#ahead);
    if (mustTell || this.#isNews(before, tried)) {
      this.#ask(tried);
      return [];
    }
    const step = this.#count(tried);
    if (this.#mustLook || this.#isBehind(step)) this.#ask(null);
    return [step];
  }

  /** Whether to look after a step that nobody had to be asked about. */
  #isBehind({ state, effects }: Step<State, Effect>): boolean {
    const { machine, clock } = this.#options;
    const nowMs = clock.nowMs();
    const waits = machine.waitsFor(state, nowMs) !== null;
    if (waits && !this.#waitIsKnown) return true;
    // What is sent without asking must not go by what was true long ago.
    return machine.isTurn(effects) && nowMs - this.#heardMs >= SHARED_POLL_MS;
  }

  /** Nobody can be asked: what comes in counts at once. */
  #goAlone({ share, sinceMs }: SharedStanding): readonly Step<State, Effect>[] {
    const { machine } = this.#options;
    if (!this.#isAlone && share < 1) {
      this.#state = machine.unsure(this.#state, sinceMs + UNNOTICED_MS);
    }
    this.#isAlone = true;
    this.#apart = true;
    this.#mustLook = false;
    this.#waitIsKnown = false;
    this.#ahead = [];
    if (this.#inputs.length === 0) return [];
    const [, tried] = this.#try(share, []);
    return [this.#count(tried)];
  }

  #notice({ joined, forgotten }: SharedStanding): void {
    if (joined !== this.#joined) this.#apart = true;
    this.#isAlone = false;
    this.#joined = joined;
    if (forgotten === this.#forgotten) return;
    this.#forgotten = forgotten;
    this.#apart = true;
    const { machine, clock } = this.#options;
    this.#state = machine.unsure(this.#state, clock.nowMs());
  }

  #try(share: number, ahead: readonly string[]): readonly [State, Tried<State, Effect>] {
    const { machine, clock, limits } = this.#options;
    const nowMs = clock.nowMs();
    const before = machine.arrange(this.#state, share, ahead);
    let state = before;
    const effects: Effect[] = [];
    for (const input of this.#inputs) {
      const step = machine.transition(state, input, nowMs);
      state = step.state;
      effects.push(...step.effects);
    }
    const version = `${countOf(this.#version) + 1} ${limits.proxy}`;
    return [before, { state, effects, inputs: this.#inputs.length, version }];
  }

  #isNews(before: State, { state, effects }: Tried<State, Effect>): boolean {
    const { machine, clock } = this.#options;
    return machine.isNews(before, state, effects, clock.nowMs());
  }

  #count({ state, effects, inputs }: Tried<State, Effect>): Step<State, Effect> {
    this.#inputs.splice(0, inputs);
    this.#state = state;
    return { state, effects };
  }

  #ask(tried: Tried<State, Effect> | null): void {
    const { machine, limits, place, clock, answered } = this.#options;
    const askedMs = clock.nowMs();
    const state = tried?.state ?? this.#state;
    const waitsFor = machine.waitsFor(state, askedMs);
    this.#question = { tried, askedMs, waits: waitsFor !== null };
    this.#mustLook = false;
    const { version = '' } = tried ?? {};
    const offer = {
      expected: this.#version,
      next: tried === null ? null : { version, ...machine.write(state, limits, askedMs) },
      waitsFor,
      hadTurn: tried !== null && machine.isTurn(tried.effects),
    };
    void limits.exchange(place, offer).then(answered);
  }

  #adopt({ version, text }: Answer): void {
    const { machine, limits, clock } = this.#options;
    // A place that has nothing, or something older than what was kept there, has lost its memory.
    const isLost = text === null || countOf(version) <= countOf(this.#version);
    const apart = this.#apart || this.#isUntold || isLost;
    this.#state = machine.adopt(this.#state, text, apart, limits, clock.nowMs());
    this.#version = version;
    this.#isUntold = apart;
  }
}

/** For so long others may use all of a limit, not knowing that this proxy has gone. */
const UNNOTICED_MS = SHARED_MISSED_MS + SHARED_HEARTBEAT_MS;

/** How often a place was changed before it was at this version. */
const countOf = (version: string): number => Number.parseInt(version, 10) || 0;
