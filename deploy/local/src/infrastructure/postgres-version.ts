/** The first with `transaction_timeout`, which bounds every writer's locks (protocol.md REC-2). */
const oldestMajor = 17;

/** Undefined when a server with this `server_version_num` will do; else what is wrong with it and what to do. */
export function postgresVersionFault(versionNumber: number, version: string): string | undefined {
  if (Number.isInteger(versionNumber) && Math.trunc(versionNumber / 10_000) >= oldestMajor) return undefined;
  return `DATABASE_URL is PostgreSQL ${version}, and ${oldestMajor} or newer is needed (transaction_timeout): give a newer server, or unset DATABASE_URL`;
}
