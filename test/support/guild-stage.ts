/** A guild of the simulated world, and a bot that looks after it over the REST API. */
import type { ChannelType } from 'discord-api-types/v10';
import { idAt } from '../../src/simulator/world/people.ts';
import { type Got, RestBench } from './rest-bench.ts';

/** Tests look into things of every shape. */
export type Thing = Got['json'];

export function guildStage(options = {}) {
  const bench = new RestBench(options);
  const model = bench.world.guild(bench.world.guildIds[0] ?? '');
  if (model === undefined) throw new Error('the world has no guild');
  const channelOf = (type: ChannelType) =>
    model.channels.find((one) => one.type === type)?.id ?? '';
  const send = (method: string, path: string, json?: unknown) => {
    bench.clock.advance(60_000);
    return bench.send(method, path, json === undefined ? {} : { json });
  };
  /** Names and data of what was told since the last time, the audit log left out. */
  const heard = (): readonly { readonly t: string; readonly d: Thing }[] =>
    bench.events.splice(0).filter(({ t }) => !t.startsWith('GUILD_AUDIT'));
  const names = () => heard().map(({ t }) => t);
  const userId = (ordinal: number) => idAt(bench.world.seed, model.index, ordinal);
  return { bench, model, send, heard, names, channelOf, userId, path: `/guilds/${model.id}` };
}
