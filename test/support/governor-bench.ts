/**
 * The identify governor without actors: its machine, on a clock of its own and with a ledger that
 * answers as told.
 */
import { LEDGER_SPANS } from '../../actors/identify/book.ts';
import { startIdentify, stepIdentify } from '../../actors/identify/machine.ts';
import type { IdentifyLedger } from '../../actors/identify/ports.ts';
import type {
  IdentifyEffect,
  IdentifyInput,
  IdentifyNotice,
  IdentifyRules,
  IdentifyState,
  IdentifyStep,
} from '../../actors/identify/state.ts';
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';
import { IDENTIFY_BUDGET_PERIOD_MS, IDENTIFY_LEDGER_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Random, Timer } from '../../protocols/ports.ts';
import type { VirtualClock } from '../../src/simulator/virtual-clock.ts';

export const WINDOW_MS = LEDGER_SPANS.windowMs;

export function starts(given: Partial<SessionStarts> = {}): SessionStarts {
  return {
    total: 1_000,
    remaining: 1_000,
    resetInMs: IDENTIFY_BUDGET_PERIOD_MS,
    begun: false,
    maxConcurrency: 1,
    ...given,
  };
}

export type GovernorOptions = {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly ledger: IdentifyLedger;
  readonly rules: IdentifyRules;
  readonly known: SessionStarts;
  /** What Discord says when it is asked; undefined is a failure. */
  readonly word: () => SessionStarts | undefined;
  /** How long the ledger and Discord take to answer; nothing unless given. */
  readonly answerMs?: () => number;
  readonly hear: (shard: number, message: 'prepare' | 'permitted') => void;
};

/** Runs the effects as the actor does, with every wait on the virtual clock. */
export class Governor {
  state: IdentifyState;
  readonly notices: IdentifyNotice[] = [];
  /** How often Discord was asked. */
  asked = 0;
  readonly #options: GovernorOptions;
  readonly #timers = new Map<string, Timer>();
  #isOver = false;

  constructor(options: GovernorOptions, owed = 0) {
    this.#options = options;
    const { rules, known, clock } = options;
    const step = startIdentify(rules, known, owed, clock.nowMs());
    this.state = step.state;
    this.#run(step);
  }

  tell(input: IdentifyInput): void {
    if (this.#isOver) return;
    const facts = { nowMs: this.#options.clock.nowMs(), random: this.#options.random() };
    const step = stepIdentify(this.state, input, facts);
    this.state = step.state;
    this.#run(step);
  }

  /** As a crash does: nothing of it is heard any more. */
  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #run({ effects }: IdentifyStep): void {
    for (const effect of effects) this.#runEffect(effect);
  }

  #runEffect(effect: IdentifyEffect): void {
    const { ledger, clock, hear } = this.#options;
    const unheard = (): void => this.#later(() => this.tell({ type: 'unheard' }));
    switch (effect.type) {
      case 'tell':
        // A message takes its time like any other.
        clock.setTimer(0, () => hear(effect.shard, effect.message));
        break;
      case 'arm':
        this.#arm(`${effect.timer}-${effect.shard}`, effect.delayMs, {
          type: effect.timer,
          shard: effect.shard,
        });
        break;
      case 'disarm':
        this.#timers.get(`${effect.timer}-${effect.shard}`)?.cancel();
        break;
      case 'arm-due':
        this.#arm('due', effect.delayMs, { type: 'due' });
        break;
      case 'disarm-due':
        this.#timers.get('due')?.cancel();
        break;
      case 'take':
        this.#take(effect);
        break;
      case 'learn':
        ledger.learn(effect.word).catch(unheard);
        break;
      case 'sent':
        ledger.sent(effect.shard).catch(unheard);
        break;
      case 'give-back':
        ledger.giveBack(effect.shard).catch(unheard);
        break;
      case 'reach':
        this.#reach();
        break;
      case 'ask-discord': {
        this.asked++;
        const word = this.#options.word();
        this.#later(() => this.tell({ type: 'word', word }));
        break;
      }
      case 'notice':
        this.notices.push(effect.notice);
        break;
    }
  }

  #take({ attempt, shard, owed, known }: Extract<IdentifyEffect, { type: 'take' }>): void {
    const { ledger, rules } = this.#options;
    const tell = (answer: TakeAnswer | undefined): void => {
      this.#timers.get(`answer-${attempt}`)?.cancel();
      this.tell({ type: 'answer', attempt, answer });
    };
    this.#arm(`answer-${attempt}`, IDENTIFY_LEDGER_TIMEOUT_MS, {
      type: 'answer',
      attempt,
      answer: undefined,
    });
    ledger.take({ shard, floor: rules.floor, owed, known }).then(
      (answer) => this.#later(() => tell(answer)),
      () => this.#later(() => tell(undefined)),
    );
  }

  #reach(): void {
    const tell = (isThere: boolean): void => {
      this.#timers.get('reached')?.cancel();
      this.tell({ type: 'reached', isThere });
    };
    this.#arm('reached', IDENTIFY_LEDGER_TIMEOUT_MS, { type: 'reached', isThere: false });
    this.#options.ledger.reach().then(
      () => this.#later(() => tell(true)),
      () => this.#later(() => tell(false)),
    );
  }

  #later(step: () => void): void {
    const { answerMs, clock } = this.#options;
    if (answerMs === undefined) step();
    else clock.setTimer(answerMs(), step);
  }

  #arm(name: string, delayMs: number, input: IdentifyInput): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(
      name,
      this.#options.clock.setTimer(delayMs, () => this.tell(input)),
    );
  }
}

/**
 * A ledger that fails when it is told to, as one whose server is away: it may have done it all the
 * same.
 */
export class FickleLedger implements IdentifyLedger {
  readonly label = 'a ledger of the test';
  readonly #inner: IdentifyLedger;
  isAway: 'no' | 'unheard' | 'unanswered' = 'no';
  /** How often it was asked anything. */
  asked = 0;

  constructor(inner: IdentifyLedger) {
    this.#inner = inner;
  }

  learn: IdentifyLedger['learn'] = (word) => this.#through(() => this.#inner.learn(word));
  take: IdentifyLedger['take'] = (request) => this.#through(() => this.#inner.take(request));
  sent: IdentifyLedger['sent'] = (shard) => this.#through(() => this.#inner.sent(shard));
  giveBack: IdentifyLedger['giveBack'] = (shard) =>
    this.#through(() => this.#inner.giveBack(shard));
  reach: IdentifyLedger['reach'] = () => this.#through(() => this.#inner.reach());

  async #through<Value>(work: () => Promise<Value>): Promise<Value> {
    const { isAway } = this;
    this.asked++;
    if (isAway === 'unheard') throw new Error('the ledger is away');
    const value = await work();
    if (isAway === 'unanswered') throw new Error('the ledger is away');
    return value;
  }
}
