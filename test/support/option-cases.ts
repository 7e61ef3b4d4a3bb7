/** Tests of a whole table of options: each in the file, and each of its variables. */
import { describe, expect, it } from 'vitest';
import type { OptionTable } from '../../src/config/options.ts';

/** Key, TOML, variable, its text, where it goes in the configuration, what it is there. */
export type OptionCase<Options extends OptionTable, Config> = readonly [
  key: keyof Options & string,
  toml: string,
  variable: string,
  text: string,
  pick: (config: Config) => unknown,
  expected: unknown,
];

export type OptionLoaders<Config> = {
  /** With `key = toml`, for the case of this variable. */
  readonly fromFile: (key: string, toml: string, variable: string) => Promise<Config>;
  readonly fromEnvironment: (variable: string, text: string) => Promise<Config>;
};

/** Declares the tests of each case, and one that no option and no variable is without a case. */
export function testEveryOption<Options extends OptionTable, Config>(
  options: Options,
  cases: readonly OptionCase<Options, Config>[],
  { fromFile, fromEnvironment }: OptionLoaders<Config>,
): void {
  describe('every option', () => {
    it.each(cases)('%s = %s in the file', async (key, toml, variable, _text, pick, expected) => {
      expect(pick(await fromFile(key, toml, variable))).toEqual(expected);
    });

    it.each(cases)('%s (%s): %s=%s', async (_key, _toml, variable, text, pick, expected) => {
      expect(pick(await fromEnvironment(variable, text))).toEqual(expected);
    });

    it('is in the table above, with each of its variables', () => {
      const tested = new Set(cases.map(([key, , variable]) => `${key} ${variable}`));
      const declared = Object.entries(options).flatMap(([key, { environment }]) =>
        environment.map((variable) => `${key} ${variable}`),
      );
      expect([...tested].sort()).toEqual(declared.sort());
    });
  });
}
