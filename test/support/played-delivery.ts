/** A message from no broker, which remembers what became of it. */
import type { Delivery } from '../../protocols/broker.ts';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';

export class PlayedDelivery implements Delivery {
  readonly event: string;
  readonly body: Uint8Array;
  readonly wantsReply: boolean;
  readonly attempt = 1;
  /** How it was settled: a broker heeds the first, a good handler says no more. */
  readonly settlements: string[] = [];
  readonly answers: unknown[] = [];

  constructor(event: string, value: unknown, wantsReply = true) {
    this.event = event;
    this.body = encodeBody(value);
    this.wantsReply = wantsReply;
  }

  ack(): void {
    this.settlements.push('ack');
  }

  retry(): void {
    this.settlements.push('retry');
  }

  reject(reason: string): void {
    this.settlements.push(`reject: ${reason}`);
  }

  async reply(body: Uint8Array): Promise<void> {
    this.answers.push(decodeBody(body));
  }
}
