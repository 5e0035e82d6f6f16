import { randomBytes } from 'node:crypto';
import { loadConfig } from '@entente/config';
import { LOCAL_ISSUER, buildOpenApi, createHttpApp } from '@entente/http';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { ConsentConfig } from './config.ts';
import { ConsentModule } from './consent.module.ts';
import { ConsentParts } from './consent-parts.ts';

const key = `k1:${randomBytes(32).toString('base64url')}`;

/** The API's description from its routes; connects to nothing. */
export async function openApiText(): Promise<string> {
  const log = createLogger({ service: 'consent', level: 'silent' });
  const metrics = createMetrics();
  const config = loadConfig(ConsentConfig, {
    DATABASE_URL: 'postgres://localhost/none',
    KAFKA_BOOTSTRAP: 'localhost:1',
    NODE_ENV: 'test',
    AUTH_ISSUER: LOCAL_ISSUER,
    AUTH_JWKS_URL: 'http://localhost/none',
    SUBJECT_HASH_KEYS: key.replace('k', ''),
    IDENTIFIER_KEYS: key,
    AUDIENCE_KEYS: '{}',
    RELAY: 'off',
  });
  const parts = new ConsentParts({ config, clock: systemClock, log, metrics });
  const app = await createHttpApp({ module: ConsentModule.forRoot({ config, parts, metrics, checks: [] }), log });
  try {
    await app.init();
    return buildOpenApi(app, {
      title: 'Entente consent service',
      version: '1',
      description:
        'Records what people decide. Denying is never refused for a precondition: what a request denies is recorded even ' +
        'when its granting part is stopped, and what a stopped grant would have taken away (recipients refused, an earlier ' +
        'end) is taken away. Problems are RFC 9457 documents.',
    });
  } finally {
    await app.close();
    await parts.stop();
  }
}

if (import.meta.filename === process.argv[1]) process.stdout.write(await openApiText());
