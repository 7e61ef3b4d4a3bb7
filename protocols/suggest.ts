/**
 * What somebody probably meant by a name that does not exist: the nearest of the names that do.
 *
 * Distance is the number of letters inserted, removed, changed or swapped with their neighbour,
 * with case and separators left aside, so that `guildMembers` is no distance from `GUILD_MEMBERS`.
 * A name that is too far from all candidates gets no suggestion: a wrong hint is worse than none.
 */

/** The nearest of `candidates`, the earlier of equals, or undefined when none is near. */
export function suggest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = normalise(name);
  let nearest: string | undefined;
  let nearestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const offered = normalise(candidate);
    const distance = editDistance(wanted, offered);
    const longer = Math.max(wanted.length, offered.length);
    const isNear = distance <= Math.max(1, Math.floor(longer / 3)) && distance < longer;
    if (isNear && distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** The optimal string alignment distance. */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1]
      ) {
        cost = Math.min(cost, (beforePrevious[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
}
