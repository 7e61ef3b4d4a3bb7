/** What went wrong, in the words of whatever was thrown. */

/**
 * Never empty for an error: one without a message, as Node gives for a host none of whose addresses
 * answered, says what its parts say, or its name.
 */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.message !== '') return thrown.message;
  const parts = thrown instanceof AggregateError ? thrown.errors.map(messageOf) : [];
  return parts.length > 0 ? parts.join('; ') : thrown.name;
}
