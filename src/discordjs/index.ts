/**
 * Adapters for discord.js' core: its gateway and its REST client, over a message broker.
 *
 * @module spectacles/discordjs
 */
export { BrokerGateway, type BrokerGatewayOptions } from './gateway.ts';
export { type ProxyRequestOptions, throughProxy } from './rest.ts';
