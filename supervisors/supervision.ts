/**
 * What a supervisor does about its children: a pure machine over the specs, the strategy, the
 * restart budgets and the back-offs.
 *
 * Purpose. It decides who is started and stopped, and when; `supervisor.ts` does it.
 *
 * Inner workings. Each child is waiting to be started, running, condemned (it runs, but is to be
 * stopped when its turn comes), stopping, or ended for good. After every event `proceed` looks at
 * all of them. While any is condemned or stopping, nobody is started: the last condemned one of the
 * list is stopped, and the next only when that one has ended. Then those that wait are started, in
 * order and not before they are due; unless the strategy says that children are independent, one
 * that is not due yet holds back those after it.
 *
 * Failure modes. The end of an incarnation that is not the current one changes nothing. A child
 * that is restarted more often than its own budget allows ends the supervisor (`escalate`). A child
 * that crashes in its start does so after its later siblings were started; the strategy then
 * applies as to any other end.
 */
import type { Exit } from '../protocols/actor.ts';
import {
  type BackoffPolicy,
  type BackoffState,
  FRESH_BACKOFF,
  nextBackoff,
  stable,
} from '../protocols/backoff.ts';
import type { Random } from '../protocols/ports.ts';
import {
  type ChildSpec,
  chargeRestart,
  type Intensity,
  mustRestart,
  planRestart,
  type RestartHistory,
  type Strategy,
} from './restart.ts';

type ChildStatus =
  | { readonly type: 'waiting'; readonly dueMs: number }
  | { readonly type: 'running'; readonly sinceMs: number }
  | { readonly type: 'condemned'; readonly startAgain: boolean }
  | { readonly type: 'stopping'; readonly startAgain: boolean }
  | { readonly type: 'ended' };

export type ChildState = {
  readonly spec: ChildSpec;
  readonly status: ChildStatus;
  /** Which start of the child this is; its messages about its end carry it. */
  readonly incarnation: number;
  readonly restarts: RestartHistory;
  readonly backoff: BackoffState;
};

/** What the end of a child means, by the one who knows the child's reasons. */
export type Verdict = {
  /** Whether something went wrong: a transient child is restarted only then. */
  readonly abnormal: boolean;
  /** Whether a restart is charged to the child's budget. Ordinary trouble of a network is not. */
  readonly counts: boolean;
};

export type SupervisionRules = {
  readonly strategy: Strategy;
  readonly intensity: Intensity;
  readonly backoff: BackoffPolicy;
  readonly judge: (id: string, exit: Exit) => Verdict;
  readonly random: Random;
};

export type Supervision = {
  /** In the order of the specs. */
  readonly children: readonly ChildState[];
};

export type SupervisionEvent =
  | { readonly type: 'due' }
  | {
      readonly type: 'ended';
      readonly id: string;
      readonly incarnation: number;
      readonly exit: Exit;
    };

export type SupervisionEffect =
  | { readonly type: 'start'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'stop'; readonly id: string }
  /** Send `due` when this has passed; it replaces what was said before. */
  | { readonly type: 'wake'; readonly delayMs: number }
  /** The child is down: its reference leads nowhere now. */
  | { readonly type: 'lost'; readonly id: string }
  | { readonly type: 'note-ended'; readonly id: string; readonly exit: Exit }
  | {
      readonly type: 'note-restart';
      readonly id: string;
      readonly exit: Exit;
      readonly delayMs: number;
      readonly attempts: number;
    }
  | { readonly type: 'escalate'; readonly id: string; readonly exit: Exit };

type Step = { readonly supervision: Supervision; readonly effects: readonly SupervisionEffect[] };

/** All children wait to be started at once. Throws RangeError if two have one id. */
export function createSupervision(specs: readonly ChildSpec[], nowMs: number): Supervision {
  const ids = new Set<string>();
  for (const { id } of specs) {
    if (ids.has(id)) throw new RangeError(`two children have the id '${id}'`);
    ids.add(id);
  }
  return {
    children: specs.map((spec) => ({
      spec,
      status: { type: 'waiting', dueMs: nowMs },
      incarnation: 0,
      restarts: [],
      backoff: FRESH_BACKOFF,
    })),
  };
}

export function supervise(
  supervision: Supervision,
  event: SupervisionEvent,
  rules: SupervisionRules,
  nowMs: number,
): Step {
  if (event.type === 'due') return proceed(supervision.children, [], rules, nowMs);
  const child = supervision.children.find(({ spec }) => spec.id === event.id);
  if (child === undefined || child.incarnation !== event.incarnation) {
    return { supervision, effects: [] };
  }
  const { status } = child;
  const lost: SupervisionEffect = { type: 'lost', id: event.id };
  if (status.type === 'running') {
    const uptimeMs = nowMs - status.sinceMs;
    const step = childFailed(supervision.children, child, uptimeMs, event.exit, rules, nowMs);
    return { ...step, effects: [lost, ...step.effects] };
  }
  if (status.type !== 'condemned' && status.type !== 'stopping')
    return { supervision, effects: [] };
  const next: ChildStatus = status.startAgain
    ? { type: 'waiting', dueMs: nowMs }
    : { type: 'ended' };
  return proceed(withStatus(supervision.children, child, next), [lost], rules, nowMs);
}

/** A child ended that nobody had stopped. */
function childFailed(
  children: readonly ChildState[],
  child: ChildState,
  uptimeMs: number,
  exit: Exit,
  rules: SupervisionRules,
  nowMs: number,
): Step {
  const { id } = child.spec;
  const verdict = rules.judge(id, exit);
  if (!mustRestart(child.spec, verdict.abnormal)) {
    const rest = withStatus(children, child, { type: 'ended' });
    return proceed(rest, [{ type: 'note-ended', id, exit }], rules, nowMs);
  }
  const charged = verdict.counts
    ? chargeRestart(child.restarts, rules.intensity, nowMs)
    : { history: child.restarts, exceeded: false };
  if (charged.exceeded) {
    const rest = withStatus(children, child, { type: 'ended' });
    return { supervision: { children: rest }, effects: [{ type: 'escalate', id, exit }] };
  }
  const settled = stable(child.backoff, rules.backoff, uptimeMs);
  const { state: backoff, delayMs } = nextBackoff(settled, rules.backoff, rules.random);
  const failed: ChildState = {
    ...child,
    status: { type: 'waiting', dueMs: nowMs + delayMs },
    restarts: charged.history,
    backoff,
  };
  const concerned = condemn(children, child, rules.strategy, verdict.abnormal);
  return proceed(
    concerned.map((sibling) => (sibling === child ? failed : sibling)),
    [{ type: 'note-restart', id, exit, delayMs, attempts: backoff.attempts }],
    rules,
    nowMs,
  );
}

/**
 * The siblings that go down with `failed`. Only those that run: the others wait already, and go on
 * waiting, or have ended for good.
 */
function condemn(
  children: readonly ChildState[],
  failed: ChildState,
  strategy: Strategy,
  abnormal: boolean,
): readonly ChildState[] {
  const specs = children.map(({ spec }) => spec);
  const running = children.filter(({ status }) => status.type === 'running');
  const live = new Set(running.map(({ spec }) => spec.id));
  const plan = planRestart(strategy, specs, live, failed.spec.id, abnormal);
  return children.map((child) => {
    if (!plan.stop.includes(child.spec.id)) return child;
    const startAgain = plan.start.includes(child.spec.id);
    return { ...child, status: { type: 'condemned', startAgain } };
  });
}

/** Does what can be done now: stop the next condemned child, or start those that are due. */
function proceed(
  children: readonly ChildState[],
  notes: readonly SupervisionEffect[],
  rules: SupervisionRules,
  nowMs: number,
): Step {
  if (children.some(({ status }) => status.type === 'stopping')) {
    return { supervision: { children }, effects: notes };
  }
  for (const child of [...children].reverse()) {
    if (child.status.type !== 'condemned') continue;
    const { startAgain } = child.status;
    return {
      supervision: { children: withStatus(children, child, { type: 'stopping', startAgain }) },
      effects: [...notes, { type: 'stop', id: child.spec.id }],
    };
  }
  return startDue(children, notes, rules.strategy, nowMs);
}

function startDue(
  children: readonly ChildState[],
  notes: readonly SupervisionEffect[],
  strategy: Strategy,
  nowMs: number,
): Step {
  const effects = [...notes];
  let wakeMs = Number.POSITIVE_INFINITY;
  let heldBack = false;
  const next = children.map((child): ChildState => {
    if (child.status.type !== 'waiting' || heldBack) return child;
    if (child.status.dueMs > nowMs) {
      wakeMs = Math.min(wakeMs, child.status.dueMs);
      heldBack = strategy !== 'one-for-one';
      return child;
    }
    const incarnation = child.incarnation + 1;
    effects.push({ type: 'start', id: child.spec.id, incarnation });
    return { ...child, incarnation, status: { type: 'running', sinceMs: nowMs } };
  });
  if (wakeMs !== Number.POSITIVE_INFINITY) {
    effects.push({ type: 'wake', delayMs: wakeMs - nowMs });
  }
  return { supervision: { children: next }, effects };
}

function withStatus(
  children: readonly ChildState[],
  child: ChildState,
  status: ChildStatus,
): readonly ChildState[] {
  return children.map((other) => (other === child ? { ...child, status } : other));
}
