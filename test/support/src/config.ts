/** The environment as jest's workers inherit it from the global set-up; the only file here that touches process.env. */
export interface TestServers {
  databaseUrl: string;
  bootstrap: string[];
  /** What they are and why they were chosen, for people. */
  description: string;
}

/** Makes the servers known to every worker, which are started after this. */
export function announce(servers: TestServers): void {
  process.env.DATABASE_URL = servers.databaseUrl;
  process.env.KAFKA_BOOTSTRAP = servers.bootstrap.join(',');
  process.env.ENTENTE_INFRASTRUCTURE = servers.description;
}

/** The servers of this run of the tests. */
export function testServers(): TestServers {
  const { DATABASE_URL, KAFKA_BOOTSTRAP, ENTENTE_INFRASTRUCTURE } = process.env;
  if (!DATABASE_URL || !KAFKA_BOOTSTRAP)
    throw new Error(
      'no servers: name the test *.it-spec.ts or *.e2e-spec.ts, whose projects start them in global-setup.ts',
    );
  return {
    databaseUrl: DATABASE_URL,
    bootstrap: KAFKA_BOOTSTRAP.split(','),
    description: ENTENTE_INFRASTRUCTURE ?? 'given',
  };
}

/** Where the bootstrap wants the description written, if it runs the tests; told once, as tests start runs of their own. */
export function takeDescriptionFile(): string | undefined {
  const file = process.env.ENTENTE_DESCRIPTION_FILE;
  delete process.env.ENTENTE_DESCRIPTION_FILE;
  return file;
}

export const inherited = (): NodeJS.ProcessEnv => process.env;

/** Whether alerts are waited for with their windows as they ship, which takes an hour, instead of shortened. */
export const alertsAsShipped = (): boolean => process.env.ENTENTE_ALERTS === 'as-shipped';

/** The browser of the console's tests. */
export const chromiumPath = (): string => process.env.ENTENTE_CHROMIUM ?? '/usr/bin/chromium';
