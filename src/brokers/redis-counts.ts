/** What a Redis broker counts, for whoever keeps metrics: each is something that should be rare. */

export type RedisCount =
  /** Entries taken over from a consumer that had gone, or left behind by a link of our own. */
  | 'claimed'
  /** Entries moved to the dead letters. */
  | 'dead-lettered'
  /** Entries dropped because nobody waited for them any more. */
  | 'expired'
  /** Entries trimmed by age that a group had not read yet. */
  | 'trimmed-unread'
  /** Entries trimmed by age that had been delivered and not acked. */
  | 'trimmed-pending'
  /** Acks and dead letters given up because too many waited for a connection. */
  | 'settlements-dropped'
  /** Entries that another consumer took while a handler of ours had them. */
  | 'taken-over'
  /** Consumer groups that had vanished and were made again. */
  | 'groups-recreated'
  /** Groups of one process each that were deleted because their process was gone. */
  | 'groups-abandoned'
  /** Events whose key turned out to be no stream. */
  | 'wrong-type'
  /** Consumers taken out of a group because they were gone. */
  | 'consumers-reaped'
  /** Blocking reads that did not return in time. */
  | 'reads-hung';

export type RedisCounter = (what: RedisCount, event: string, count: number) => void;
