/** One thing `entente doctor` has looked at. */
export interface Check {
  readonly group: 'machine' | 'postgres' | 'kafka' | 'services' | 'system';
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly hint?: string;
}

/** A look that cannot throw: what it throws is what is wrong. */
export async function attempt(
  group: Check['group'],
  name: string,
  hint: string,
  look: () => Promise<{ ok: boolean; detail?: string }>,
): Promise<Check> {
  try {
    return { group, name, hint, ...(await look()) };
  } catch (error) {
    return {
      group,
      name,
      hint,
      ok: false,
      detail: error instanceof Error ? error.message.split('\n')[0]! : String(error),
    };
  }
}
