/**
 * The identify actor: runs the identify governor. Every permit of a process passes its mailbox.
 *
 * It knows a shard by the reference that its request carried, the latest one counting, so that a
 * shard that was restarted is answered at its new address. Questions to the ledger and to Discord
 * are started and not waited for; their answers come as messages, and each has a deadline, after
 * which it counts as failed and a late answer as none.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';
import type { IdentifyMessage, ShardMessage } from '../../protocols/gateway/messages.ts';
import { GATEWAY_BOT_TIMEOUT_MS, IDENTIFY_LEDGER_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { startsOf } from './budget.ts';
import { startIdentify, stepIdentify } from './machine.ts';
import type { AskDiscord, IdentifyLedger } from './ports.ts';
import type { IdentifyEffect, IdentifyNotice, IdentifyRules, IdentifyState } from './state.ts';

/** What outlives a governor, for the next one. */
export type IdentifyKnowledge = { readonly starts: SessionStarts; readonly owed: number };

export type IdentifyStatus = IdentifyKnowledge & {
  /** Shards that have asked to identify and have no permit yet. */
  readonly waiting: number;
  readonly atFloor: boolean;
  readonly ledgerIsAway: boolean;
};

export type IdentifyOptions = {
  readonly rules: IdentifyRules;
  readonly known: IdentifyKnowledge;
  readonly ledger: IdentifyLedger;
  readonly askDiscord: AskDiscord;
  /** Told how things stand after each step. */
  readonly onStatus: (status: IdentifyStatus) => void;
  /** Told of what people should hear; `problem` is the ledger's last error. */
  readonly onNotice: (notice: IdentifyNotice, problem: unknown) => void;
};

type Shell = {
  readonly options: IdentifyOptions;
  readonly context: ActorContext<IdentifyMessage>;
  machine: IdentifyState;
  /** At most one entry a shard of this process. */
  readonly shards: Map<number, ActorRef<ShardMessage>>;
  /** Discord's word that the ledger has not heard yet, and when it was said. */
  untold: { readonly word: SessionStarts; readonly atMs: number } | undefined;
  /** Under way: the ledger is being told of it. */
  telling: Promise<void> | undefined;
  problem: unknown;
};

export function identify(options: IdentifyOptions): Behaviour<Shell, IdentifyMessage> {
  return {
    start(context) {
      const { rules, known } = options;
      const step = startIdentify(rules, known.starts, known.owed, context.clock.nowMs());
      const shell: Shell = {
        options,
        context,
        machine: step.state,
        shards: new Map(),
        untold: undefined,
        telling: undefined,
        problem: 'no answer in time',
      };
      options.onStatus(statusOf(step.state, context.clock.nowMs()));
      for (const effect of step.effects) runEffect(effect, shell);
      return shell;
    },

    receive(shell, message, { clock, random }) {
      if (message.type === 'request') shell.shards.set(message.shard, message.from);
      if (message.type === 'answer') shell.context.cancel(`answer-${message.attempt}`);
      const nowMs = clock.nowMs();
      const step = stepIdentify(shell.machine, message, { nowMs, random: random() });
      shell.machine = step.state;
      options.onStatus(statusOf(step.state, nowMs));
      for (const effect of step.effects) runEffect(effect, shell);
      return shell;
    },
  };
}

function statusOf(machine: IdentifyState, nowMs: number): IdentifyStatus {
  return {
    starts: startsOf(machine, nowMs),
    owed: machine.owed,
    waiting: machine.rounds.reduce((waiting, { count }) => waiting + count, 0),
    atFloor: machine.atFloor,
    ledgerIsAway: machine.absence !== undefined,
  };
}

function runEffect(effect: IdentifyEffect, shell: Shell): void {
  const { context, options, shards } = shell;
  switch (effect.type) {
    case 'tell':
      shards.get(effect.shard)?.tell({ type: effect.message });
      break;
    case 'arm': {
      const { timer, shard, delayMs } = effect;
      context.after(`${timer}-${shard}`, delayMs, { type: timer, shard });
      break;
    }
    case 'disarm':
      context.cancel(`${effect.timer}-${effect.shard}`);
      break;
    case 'arm-due':
      context.after('due', effect.delayMs, { type: 'due' });
      break;
    case 'disarm-due':
      context.cancel('due');
      break;
    case 'take':
      take(effect, shell);
      break;
    case 'learn':
      shell.untold = { word: effect.word, atMs: context.clock.nowMs() };
      shell.telling = undefined;
      forget('word', tellLedger(shell), shell);
      break;
    case 'sent':
      forget('sent', options.ledger.sent(effect.shard), shell);
      break;
    case 'give-back':
      forget('give-back', options.ledger.giveBack(effect.shard), shell);
      break;
    case 'reach':
      reach(shell);
      break;
    case 'ask-discord':
      askDiscord(shell);
      break;
    case 'notice':
      options.onNotice(effect.notice, shell.problem);
      break;
  }
}

function take(effect: Extract<IdentifyEffect, { type: 'take' }>, shell: Shell): void {
  const { options, context } = shell;
  const { attempt, shard, owed, known } = effect;
  const answered = (answer: TakeAnswer | undefined): void => {
    context.self.tell({ type: 'answer', attempt, answer });
  };
  context.after(`answer-${attempt}`, IDENTIFY_LEDGER_TIMEOUT_MS, {
    type: 'answer',
    attempt,
    answer: undefined,
  });
  const { ledger, rules } = options;
  tellLedger(shell)
    .then(() => ledger.take({ shard, floor: rules.floor, owed, known }))
    .then(answered, (error: unknown) => {
      shell.problem = error;
      answered(undefined);
    });
}

/**
 * No permit is taken from a ledger that has missed what Discord said: its budget and its keys may
 * be those of before.
 */
async function tellLedger(shell: Shell): Promise<void> {
  const { options, context, untold } = shell;
  if (untold === undefined) return;
  const { word, atMs } = untold;
  const resetInMs = Math.max(0, word.resetInMs - (context.clock.nowMs() - atMs));
  shell.telling ??= options.ledger.learn({ ...word, resetInMs });
  const { telling } = shell;
  try {
    await telling;
    if (shell.untold === untold) shell.untold = undefined;
  } finally {
    if (shell.telling === telling) shell.telling = undefined;
  }
}

/**
 * What the ledger does not hear costs time and never an IDENTIFY: a lease runs out, a budget is
 * lower.
 */
function forget(what: string, work: Promise<void>, shell: Shell): void {
  const { context } = shell;
  work.catch((error: unknown) => {
    shell.problem = error;
    context.log.debug({ error, what }, 'the identify ledger did not hear of it');
    context.self.tell({ type: 'unheard' });
  });
}

/** Only the answer within the deadline counts: the machine waits for none after it. */
function reach(shell: Shell): void {
  const { options, context } = shell;
  const heard = (isThere: boolean): void => {
    context.cancel('reached');
    context.self.tell({ type: 'reached', isThere });
  };
  context.after('reached', IDENTIFY_LEDGER_TIMEOUT_MS, { type: 'reached', isThere: false });
  options.ledger.reach().then(
    () => heard(true),
    (error: unknown) => {
      shell.problem = error;
      heard(false);
    },
  );
}

/** A failed answer is not kept: the next IDENTIFY that needs one asks again (GP-37). */
function askDiscord({ options, context }: Shell): void {
  const heard = (word: SessionStarts | undefined): void => {
    context.cancel('word');
    context.self.tell({ type: 'word', word });
  };
  context.after('word', 2 * GATEWAY_BOT_TIMEOUT_MS, { type: 'word', word: undefined });
  options.askDiscord().then(heard, (error: unknown) => {
    context.log.warn({ error }, 'GET /gateway/bot failed; what was known goes on to count');
    heard(undefined);
  });
}
