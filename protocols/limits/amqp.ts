/**
 * Bounds of the RabbitMQ broker.
 */

/** AMQP: seconds between heartbeats that we ask for; two missed ones end the connection. */
export const AMQP_HEARTBEAT_SECONDS = 10;
/**
 * AMQP 0-9-1: bytes of the name of a queue, an exchange or a routing key; a longer one is refused.
 */
export const AMQP_NAME_MAX_BYTES = 255;
/**
 * AMQP: deliveries of one message from a quorum queue; then it goes to the queue's dead letters.
 */
export const AMQP_DELIVERY_LIMIT = 20;
/**
 * AMQP: a message that arrives this much later than it expires is dropped. Its age is known only by
 * its sender's clock, and the clocks of two machines differ.
 */
export const AMQP_CLOCK_SKEW_MS = 30_000;
/**
 * RabbitMQ: the longest expiration that it takes from a publisher; above it the channel is closed.
 */
export const MESSAGE_EXPIRATION_MAX_MS = 2 ** 32 - 1;
/**
 * AMQP 0-9-1: `basic.qos` has 16 bits for how many deliveries a consumer may have unacked; more
 * cannot be said.
 */
export const AMQP_PREFETCH_MAX = 0xffff;
