/**
 * The application's commands, global and by guild; bounded, the scope written longest ago goes
 * first.
 */
import type { APIApplicationCommand } from 'discord-api-types/v10';
import { SIMULATOR_COMMAND_SCOPES_MAX } from '../../../../protocols/limits.ts';

/** A guild's id, or `global`. */
export type CommandScope = string;

export class Commands {
  readonly #byScope = new Map<CommandScope, readonly APIApplicationCommand[]>();

  list(scope: CommandScope): readonly APIApplicationCommand[] {
    return this.#byScope.get(scope) ?? [];
  }

  replace(scope: CommandScope, commands: readonly APIApplicationCommand[]): void {
    this.#byScope.delete(scope);
    const [oldest] = this.#byScope.keys();
    const full = this.#byScope.size >= SIMULATOR_COMMAND_SCOPES_MAX;
    if (full && oldest !== undefined) this.#byScope.delete(oldest);
    this.#byScope.set(scope, commands);
  }
}
