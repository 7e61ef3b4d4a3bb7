/** Opens a server's port, with an error that says what to do when that fails. */
import type { Server } from 'node:http';
import { ConfigurationError, PortInUseError } from '../protocols/errors.ts';

/** Where a server listens that is given a port and no host. */
export const ANY_ADDRESS = '0.0.0.0';

/**
 * @returns the port, which differs from the one asked for when that was 0
 * @throws PortInUseError when another program has it, ConfigurationError when it cannot be opened at all
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') reject(new PortInUseError(host, port));
      else reject(new ConfigurationError(`cannot listen on ${host}:${port}: ${error.message}`));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
