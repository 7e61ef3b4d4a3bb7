/**
 * Bounds of actors and of their supervisors: mailboxes, questions, timers, restarts and stops.
 */

/**
 * Ours: messages waiting in one actor's mailbox. At the bound a new message becomes a dead letter,
 * counted, and warned about once until the mailbox is half empty; the sender is never thrown at.
 */
export const ACTOR_MAILBOX_MAX_MESSAGES = 10_000;
/**
 * Ours: messages that one actor handles before all others that have some get their turn. Enough
 * that what a turn costs is shared where much comes in, and too few to keep a process busy for
 * longer than a millisecond.
 */
export const ACTOR_TURN_MAX_MESSAGES = 32;
/** Ours: unanswered questions to one actor; at the bound a new one fails with MailboxFullError. */
export const ACTOR_ASKS_MAX = 10_000;
/** Ours: named timers of one actor; one more is a programming error and crashes it. */
export const ACTOR_TIMERS_MAX = 10_000;
/**
 * Ours: characters of an actor's name, room enough for a route with ids; a longer one is refused.
 */
export const ACTOR_NAME_MAX_LENGTH = 256;
/**
 * Node fires a longer timer at once; a longer wait is armed again when this much of it has passed.
 */
export const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * Ours: how long a stop waits for a handler that is being awaited; then the actor is abandoned and
 * logged.
 */
export const ACTOR_HANDLER_DEADLINE_MS = 2_000;
/**
 * Ours: how long a stop waits for one actor's `stop` hook; then it is left to itself and logged.
 */
export const ACTOR_STOP_HOOK_DEADLINE_MS = 4_000;
/**
 * Ours: how long a stop waits for a whole tree, whatever its depth, within the 10 s in which a
 * process must end; then what is left of the cleanup is started but not awaited.
 */
export const ACTOR_TREE_STOP_DEADLINE_MS = 8_000;

/**
 * Ours: restarts of one child that a supervisor grants within the window; one more and the
 * supervisor crashes, for its own supervisor to decide. Ends that a caller judges ordinary do not
 * count.
 */
export const SUPERVISOR_RESTARTS_MAX = 5;
export const SUPERVISOR_RESTART_WINDOW_MS = 60_000;
/**
 * Ours: the wait before a restart doubles from the first to the second, and starts over after a
 * stable run.
 */
export const SUPERVISOR_BACKOFF_INITIAL_MS = 100;
export const SUPERVISOR_BACKOFF_MAX_MS = 30_000;
export const SUPERVISOR_BACKOFF_STABLE_MS = 60_000;
/** Ours: how long a supervised child may take to end, unless its spec says otherwise. */
export const SUPERVISED_SHUTDOWN_MS = 5_000;
