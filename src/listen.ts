/** Opens a server's port, with an error that names the setting to be changed when that fails. */
import type { Server } from 'node:http';
import { ConfigurationError, PortInUseError } from '../protocols/errors.ts';

/** Where a server listens that is given a port and no host. */
export const ANY_ADDRESS = '0.0.0.0';

export type ListenOptions = {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What a person changes to have another place, as `http.address (or HTTP_ADDRESS)`. */
  readonly setting: string;
  /** The same for the host, where that is a setting of its own. */
  readonly hostSetting?: string;
};

const BAD_PORTS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on that port; choose one from 1024 on',
};

/** What can be wrong with a host, by the system's code. */
const BAD_HOSTS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'this machine has no such address; choose one of its own, or 0.0.0.0 for all',
  ENOTFOUND: 'no such host is known; choose an address of this machine, or 0.0.0.0 for all',
  EAI_AGAIN: 'the name of the host cannot be looked up now; choose an address of this machine',
};

/**
 * @returns the port, which differs from the one asked for when that was 0
 * @throws PortInUseError when another program has it, ConfigurationError when it cannot be opened
 * at all
 */
export function listen(
  server: Server,
  { host, port, setting, hostSetting = setting }: ListenOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = ({ code = '', message }: NodeJS.ErrnoException): void => {
      if (code === 'EADDRINUSE') {
        reject(new PortInUseError(setting, host, port));
        return;
      }
      const badHost = Object.hasOwn(BAD_HOSTS, code) ? BAD_HOSTS[code] : undefined;
      const badPort = Object.hasOwn(BAD_PORTS, code) ? BAD_PORTS[code] : undefined;
      const what = badHost === undefined ? setting : hostSetting;
      const why = badHost ?? badPort ?? message;
      reject(new ConfigurationError(`${what}: cannot listen on ${host}:${port}: ${why}`));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
