/**
 * Which tokens Discord accepts just now. The gateway and REST share one instance, so that a token
 * which the gateway resets is refused by both. Tokens are compared and kept, never shown.
 */

const HTTP_PREFIX = /^Bot /;

export class Credentials {
  readonly #tokens: Set<string>;

  /**
   * @param tokens those of the one simulated application; it may have several, as after a rotation
   */
  constructor(tokens: readonly string[]) {
    this.#tokens = new Set(tokens.map(bare));
  }

  /** Takes the token with or without `Bot `: the gateway accepts both. */
  accepts(token: string): boolean {
    return this.#tokens.has(bare(token));
  }

  /**
   * What Discord does to an application that spent its identifies: no known token works any more.
   */
  reset(): void {
    this.#tokens.clear();
  }

  /** A new token from the developer portal. */
  issue(token: string): void {
    this.#tokens.add(bare(token));
  }
}

function bare(token: string): string {
  return token.replace(HTTP_PREFIX, '');
}
