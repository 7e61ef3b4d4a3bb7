/** A model's way to Discord as the proxy's port has it. */
import type { Sending, UpstreamResult } from '../../protocols/proxy.ts';

/** What `run` comes to, which is told when it is broken off. */
export function sendingOf(run: (signal: AbortSignal) => Promise<UpstreamResult>): Sending {
  const abort = new AbortController();
  return { result: run(abort.signal), abort: () => abort.abort() };
}
