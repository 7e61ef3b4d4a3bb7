/** Which of the gateway's two doors a URL leads to. */
import type { GatewayHost } from '../audit.ts';
import type { GatewayAddresses } from './ports.ts';

/** Undefined when the URL leads to neither. The more particular path wins where both fit. */
export function hostOfUrl(url: URL, addresses: GatewayAddresses): GatewayHost | undefined {
  const fits = (address: string): boolean => leadsTo(url, new URL(address));
  if (!fits(addresses.resume)) return fits(addresses.main) ? 'main' : undefined;
  if (!fits(addresses.main)) return 'resume';
  const isDeeper = pathOf(addresses.resume).length >= pathOf(addresses.main).length;
  return isDeeper ? 'resume' : 'main';
}

/** Clients join paths and queries in different ways: with and without a slash between them. */
function leadsTo(url: URL, address: URL): boolean {
  if (url.host !== address.host) return false;
  return trim(url.pathname) === trim(address.pathname);
}

function pathOf(address: string): string {
  return trim(new URL(address).pathname);
}

function trim(path: string): string {
  return path.replace(/\/+$/, '');
}
