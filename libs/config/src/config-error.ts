/** One thing wrong with one environment variable. Never carries the value: it may be a secret. */
export interface ConfigFault {
  readonly variable: string;
  /** What the value must be, in words. */
  readonly rule: string;
  /** A value that would be accepted. */
  readonly example: string;
}

/** Everything that is wrong with the environment, at once, so that one restart mends it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(
      ({ variable, rule, example }) => `  ${variable}: ${rule} (example: ${variable}=${example})`,
    );
    super(
      `configuration is not usable, ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${lines.join('\n')}`,
    );
    this.faults = faults;
  }
}
