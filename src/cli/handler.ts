/**
 * The handler file of `spectacles run`: found before anything starts, imported when the services
 * are up. What it throws on load is reported as its own error, with its place in the file.
 */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ConfigurationError, HandlerLoadError } from '../../protocols/errors.ts';
import { HANDLER_CHECK_TIMEOUT_MS } from '../../protocols/limits.ts';
import { showInput } from '../config/show.ts';
import { oneLine } from './failure.ts';
import type { HandlerModule, RunOptions } from './services.ts';

const HOW = 'spectacles run handler.mjs --simulate';

/** The handler that `path` names; ConfigurationError when there is none. */
export async function findHandler(
  path: string | undefined,
  workingFolder: string,
): Promise<RunOptions['handler']> {
  if (path === undefined) {
    throw new ConfigurationError(`no handler file is given; name the file of your bot: ${HOW}`);
  }
  const absolute = resolve(workingFolder, path);
  if (!(await isFile(absolute))) {
    throw new ConfigurationError(
      `there is no handler file ${showInput(path)}; name the file of your bot: ${HOW}`,
    );
  }
  const failure = (error: unknown) => handlerFailure(path, absolute, error);
  const placeOf = (error: unknown) => {
    const line = lineIn(absolute, stackOf(error));
    return line === undefined ? undefined : `${path}:${line}`;
  };
  return { path: absolute, load: () => loadHandler(absolute, failure), failure, placeOf };
}

/** Whether `path` is a file that exists. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // Whatever the reason, it cannot be used, and the caller says so.
    return false;
  }
}

async function loadHandler(
  absolute: string,
  failure: (error: unknown) => Promise<HandlerLoadError>,
): Promise<HandlerModule> {
  try {
    const module: HandlerModule = await import(pathToFileURL(absolute).href);
    return module;
  } catch (error) {
    throw await failure(error);
  }
}

/** The handler's own error, with its place in the handler's file, in one line. */
async function handlerFailure(
  path: string,
  absolute: string,
  error: unknown,
): Promise<HandlerLoadError> {
  const line = lineIn(absolute, stackOf(error)) ?? (await lineOfSyntaxError(absolute, error));
  const place = line === undefined ? path : `${path}:${line}`;
  return new HandlerLoadError(`handler ${place}: ${namedError(error)}`, { cause: error });
}

/** What is the handler's own of the errors that nobody has caught. */
export function uncaughtInHandler(
  { placeOf }: RunOptions['handler'],
  error: unknown,
): HandlerLoadError | undefined {
  const place = placeOf(error);
  if (place === undefined) return undefined;
  const what = `handler ${place}: ${namedError(error)}`;
  return new HandlerLoadError(`${what}; nobody caught it: await what it comes from, or catch it`, {
    cause: error,
  });
}

function namedError(error: unknown): string {
  return oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? '') : '';
}

/** The first line of the file that a stack names. */
function lineIn(path: string, stack: string): string | undefined {
  for (const name of [pathToFileURL(path).href, path]) {
    const start = stack.indexOf(`${name}:`);
    const line = start === -1 ? undefined : /^\d+/.exec(stack.slice(start + name.length + 1))?.[0];
    if (line !== undefined) return line;
  }
  return undefined;
}

/**
 * The stack of a module that cannot be parsed does not name it; Node's own check of a file does.
 */
async function lineOfSyntaxError(path: string, error: unknown): Promise<string | undefined> {
  if (!(error instanceof SyntaxError)) return undefined;
  try {
    await promisify(execFile)(process.execPath, ['--check', path], {
      timeout: HANDLER_CHECK_TIMEOUT_MS,
    });
  } catch (failure) {
    const stack = stackOf(failure);
    return lineIn(path, stack.slice(stack.indexOf('\n') + 1));
  }
  // The file itself is well: what cannot be parsed is something that it imports.
  return undefined;
}
