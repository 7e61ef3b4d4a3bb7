/** `spectacles gateway` over stdio as a process that is told to stop in the middle of its work. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { startSpectacles } from '../support/process.ts';
import { simulatedApi } from '../support/simulated-api.ts';

/** Hundreds of frames. */
const WRITTEN_BYTES = 2_000_000;

describe('spectacles gateway over stdio', () => {
  it('S8 finishes its last frame on SIGTERM, and leaves none out before it', async () => {
    const simulator = await startSimulator({ seed: 12, guildCount: 4, rate: 1_000 });
    onTestFinished(() => simulator.close());
    const gateway = startSpectacles(['gateway'], {
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: '*',
        DISCORD_RAW_INTENTS: '53608447',
        ...simulatedApi(simulator.port),
        BROKER_TYPE: 'stdio',
      },
    });
    await gateway.until('written much', () => gateway.stdoutBytes.length > WRITTEN_BYTES);
    const ended = gateway.end('SIGTERM');
    await gateway.log('stopping');
    // From here on this process only reads. One that does not get to it would be no reader, and
    // whoever is not read cannot finish.
    simulator.discord.setRate(0);
    expect(await ended).toEqual({ status: 0, signal: null });
    expect(gateway.stdout.endsWith('}\n')).toBe(true);
    const [session] = simulator.discord.gateway.sessions();
    const sent = (session?.missed(0) ?? []).map(
      ({ event, json }) => `{"event":"${event}","data":${json}}`,
    );
    const written = gateway.stdoutLines;
    expect(written).toEqual(sent.slice(0, written.length));
    expect(simulator.audit.of('session-end')).toEqual([]);
    expect(simulator.audit.breaches).toEqual([]);
  });
});
