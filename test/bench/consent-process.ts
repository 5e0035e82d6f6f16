import { repositoryFile } from '@entente/local';
import type * as Harness from '../../services/consent/src/testing/harness.ts';

/** The consent service as a process: `consent-process.ts <database> <brokers>`; tells its parent where it listens. */
const [url, brokers] = process.argv.slice(2) as [string, string];
const { startConsent } = (await import(repositoryFile('services/consent/dist/testing/harness.js'))) as typeof Harness;
const database = { url, drop: () => Promise.resolve() };
const consent = await startConsent(database, { background: true, bootstrap: brokers.split(',') });
process.on('disconnect', () => void consent.stop().then(() => process.exit(0)));
process.send?.({ url: consent.url, token: await consent.token() });
