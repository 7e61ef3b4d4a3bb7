/** What an AMQP broker counts, for whoever keeps metrics. */

export type AmqpCount =
  /** Messages handed back by their handler, to be delivered again. */
  | 'requeued'
  /** Messages refused for good; where the queue has dead letters they are among them. */
  | 'rejected'
  /** Messages dropped because they came later than their sender had any use for them. */
  | 'expired'
  /** Messages settled after their channel had gone: the broker delivers them again. */
  | 'stale-settlements'
  /** Answers that came when nobody waited for them any more. */
  | 'late-answers';

export type AmqpCounter = (what: AmqpCount, event: string, count: number) => void;
