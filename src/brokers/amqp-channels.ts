/**
 * The connections and channels of one AMQP link: which there are, how they are opened and let go.
 *
 * Two connections, since RabbitMQ stops reading from one that publishes when it runs short of
 * memory or disk, and acks must still get through then. Two channels on each, for as long as the
 * link lasts: a channel for each publish would run out of numbers, and a refused declaration costs
 * the channel it was made on, so those are made on one that is thrown away.
 *
 * The queue of answers is exclusive and gets its name from the server, a new one for every link: a
 * name of our own could still be held by a connection that the server has not yet found dead.
 */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { watchEnd } from './amqp-connection.ts';

export type AmqpChannels = {
  readonly publishing: ChannelModel;
  readonly consuming: ChannelModel;
  /** Dispatch events and nothing else. */
  readonly events: ConfirmChannel;
  /** Every other publish. */
  readonly control: ConfirmChannel;
  readonly deliveries: Channel;
  readonly answers: Channel;
  /** The server's name for our queue of answers. */
  readonly answerQueue: string;
};

/** Declares on a channel of its own: a refusal closes that channel and no other. */
export async function declare(
  connection: ChannelModel,
  work: (channel: Channel) => Promise<void>,
): Promise<void> {
  const channel = await connection.createChannel();
  // The refusal itself reaches the caller by the promise of what was refused.
  channel.on('error', () => undefined);
  await work(channel);
  await closed(channel);
}

/** Declares a queue of this connection alone, which goes with it; the server names it. */
export async function assertOwnQueue(channel: Channel): Promise<string> {
  const { queue } = await channel.assertQueue('', {
    exclusive: true,
    autoDelete: true,
    durable: false,
  });
  return queue;
}

export async function openChannels(
  connections: { readonly publishing: ChannelModel; readonly consuming: ChannelModel },
  settings: { readonly exchange: string; readonly prefetch: number },
  onEnd: (reason: unknown) => void,
): Promise<AmqpChannels> {
  const { publishing, consuming } = connections;
  // A channel that fails before it is watched fails its connection, which is watched already.
  const watched = async <C extends Channel>(opening: Promise<C>): Promise<C> => {
    const channel = await opening;
    watchEnd(channel, onEnd);
    return channel;
  };
  await declare(publishing, async (channel) => {
    await channel.assertExchange(settings.exchange, 'direct', { durable: true });
  });
  const events = await watched(publishing.createConfirmChannel());
  const control = await watched(publishing.createConfirmChannel());
  const deliveries = await watched(consuming.createChannel());
  const answers = await watched(consuming.createChannel());
  // For each consumer of the channel: quorum queues refuse a limit that is shared.
  await deliveries.prefetch(settings.prefetch, false);
  const answerQueue = await assertOwnQueue(answers);
  return { publishing, consuming, events, control, deliveries, answers, answerQueue };
}

/**
 * Closes channels before connections: only behind what its own channel wrote is a close in order.
 */
export async function closeChannels(channels: AmqpChannels): Promise<void> {
  const { publishing, consuming, events, control, deliveries, answers } = channels;
  const close = async (connection: ChannelModel, open: readonly Channel[]) => {
    await Promise.allSettled(open.map(closed));
    await closed(connection);
  };
  await Promise.allSettled([
    close(publishing, [events, control]),
    close(consuming, [deliveries, answers]),
  ]);
}

/**
 * Closes it. amqplib never answers for what has been asked to close and then loses its connection;
 * but that it has closed is told by an event, whatever the reason.
 */
function closed(open: Channel | ChannelModel): Promise<unknown> {
  const gone = new Promise((resolve) => open.once('close', resolve));
  return Promise.race([gone, open.close()]);
}
