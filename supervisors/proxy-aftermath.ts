/**
 * What becomes of the requests of a bucket, or of a gate, that crashed.
 *
 * What waits may wait in the successor, what flies is answered as it lands, and what has landed is
 * settled with that: it was the answer, or the failure, that the crash kept from being handed on.
 */
import { outcomeOf, type RestTicket } from '../actors/bucket/ticket.ts';
import type { ActorRef } from '../protocols/actor.ts';
import { ProxyCrashError } from '../protocols/errors.ts';
import { BUCKET_CRASHES_MAX } from '../protocols/limits.ts';

/** Stands in for a reference for the moment between a record and its actor. */
export const NOWHERE: ActorRef<never> = { path: '', tell: () => {} };

/** Fails a ticket that has lived through too many crashes; whether it lives on. */
export function surviveCrash(ticket: RestTicket): boolean {
  ticket.crashes += 1;
  if (ticket.crashes <= BUCKET_CRASHES_MAX) return true;
  ticket.abort();
  ticket.settle({ kind: 'failed', error: new ProxyCrashError() });
  return false;
}

/**
 * After a crash: what must wait anew, and how many are in the air, which are answered as they land.
 */
export function sortOut(tickets: readonly RestTicket[]): { waiting: RestTicket[]; flying: number } {
  const waiting: RestTicket[] = [];
  let flying = 0;
  for (const ticket of tickets) {
    if (ticket.phase.kind === 'landed') settleLanded(ticket);
    else if (!surviveCrash(ticket)) continue;
    else if (ticket.phase.kind === 'waiting') waiting.push(ticket);
    else {
      flying += 1;
      ticket.redirect(() => settleLanded(ticket));
    }
  }
  return { waiting, flying };
}

function settleLanded(ticket: RestTicket): void {
  if (ticket.phase.kind !== 'landed') return;
  const { landing } = ticket.phase;
  ticket.settle(outcomeOf(landing));
}
