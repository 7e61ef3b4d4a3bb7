/**
 * The HTTP server that operators look at: metrics, `/healthz` (the process answers) and `/readyz`
 * (it does its work). It serves GET and HEAD, nothing else, and no request can make it fail.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { listen } from '../listen.ts';

/** What `/readyz` says: ready, or what is not. */
export type Readiness = { readonly ready: boolean; readonly detail: string };

export type HealthServerOptions = {
  readonly host: string;
  readonly port: number;
  /** What a person changes to have it listen elsewhere. */
  readonly setting: string;
  /** The path of the metrics, with its leading slash. */
  readonly endpoint: string;
  readonly registry: Registry;
  readonly readiness: () => Readiness;
};

export type HealthServer = {
  readonly port: number;
  close(): Promise<void>;
};

/** @throws PortInUseError when another program has the port */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      send(response, 500, 'text/plain', String(error));
    });
  });
  const port = await listen(server, options);
  return { port, close: () => close(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { endpoint, registry, readiness }: HealthServerOptions,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(response, 405, 'text/plain', 'only GET and HEAD\n');
    return;
  }
  const path = request.url?.split('?', 1)[0];
  if (path === endpoint) {
    send(response, 200, registry.contentType, await registry.metrics());
  } else if (path === '/healthz') {
    send(response, 200, 'text/plain', 'ok\n');
  } else if (path === '/readyz') {
    const { ready, detail } = readiness();
    send(response, ready ? 200 : 503, 'text/plain', `${detail}\n`);
  } else {
    send(response, 404, 'text/plain', `not here: try ${endpoint}, /healthz or /readyz\n`);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
