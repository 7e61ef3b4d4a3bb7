/**
 * How the rooms of `protocols/limits.ts` assert what has to hold between their bounds.
 *
 * A relation is checked when its module is loaded, so that changing a number that breaks another
 * ends the process at its start, with the name of the bound and what would break.
 */
export type Relation = readonly [holds: boolean, broken: string];

export function requireRelations(relations: readonly Relation[]): void {
  for (const [holds, broken] of relations) {
    if (!holds) throw new RangeError(`limits do not fit together: ${broken}`);
  }
}
