/**
 * Settings of one session by their Postgres names. They travel in the start-up packet, so no statement can run without them.
 * Durations are milliseconds (Postgres's own unit for a bare number).
 */
export interface SessionSettings {
  readonly statement_timeout?: number;
  readonly lock_timeout?: number;
  /** Postgres ≥ 17. */
  readonly transaction_timeout?: number;
  readonly idle_in_transaction_session_timeout?: number;
  readonly idle_session_timeout?: number;
  /** How long the server keeps a connection whose peer acknowledges nothing (REL-2). */
  readonly tcp_user_timeout?: number;
  readonly tcp_keepalives_idle?: number;
  readonly synchronous_commit?: 'on' | 'remote_apply';
  readonly default_transaction_isolation?: 'read committed' | 'repeatable read' | 'serializable';
}

const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/;

/** A schema name goes into SQL text as it is, so only plain ones are allowed. */
export function checkedSchema(schema: string): string {
  if (!schemaPattern.test(schema)) throw new RangeError(`not a plain schema name: ${JSON.stringify(schema)}`);
  return schema;
}

/** The `options` start-up parameter. A backslash escapes a space in a value (libpq, "options"). */
export function startupOptions(schema: string, settings: SessionSettings): string {
  const all: Record<string, string | number> = {
    search_path: checkedSchema(schema),
    // A role may hide warnings; a COMMIT that answers with one must be seen (RST-1).
    client_min_messages: 'notice',
    timezone: 'UTC',
    // A plan cached while a table was empty scans it whole when it has grown; planning costs a fraction of a millisecond.
    plan_cache_mode: 'force_custom_plan',
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `-c ${name}=${String(value).replaceAll(/[\\ ]/g, (character) => `\\${character}`)}`)
    .join(' ');
}
