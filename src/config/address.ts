/**
 * Network addresses: `:8080`, `0.0.0.0:3000`, `localhost:6379`, `[::1]:80`.
 *
 * The port is always written; an address without a host means every interface of the machine.
 */

export type Address = {
  /** Undefined: every interface. IPv6 without its brackets. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
};

const ADDRESS =
  /^(?:\[([0-9a-fA-F:.]{2,45}(?:%[\w.-]{1,32})?)\]|([a-zA-Z0-9._-]{0,253})):(\d{1,5})$/;
export const PORT_MAX = 65_535;

/** Undefined when `text` is not an address. */
export function parseAddress(text: string): Address | undefined {
  const match = ADDRESS.exec(text.trim());
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > PORT_MAX) return undefined;
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? undefined : host, port };
}

export function formatAddress({ host, port }: Address): string {
  return `${formatHost(host ?? '')}:${port}`;
}

/** A host as it stands before a port: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
