import { controllerId } from '@entente/contracts';
import { AuthModule, HealthModule, MetricsModule } from '@entente/http';
import type { Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Module, type DynamicModule } from '@nestjs/common';
import type { OpsConfig } from './config.ts';
import { PageController } from './http/page.controller.ts';
import { PropagationsController } from './http/propagations.controller.ts';
import { opsPool } from './http/tokens.ts';
import { registerGauges } from './metrics/gauges.ts';
import { Tracker } from './tracker/tracker.ts';

export interface OpsParts {
  readonly config: OpsConfig;
  readonly pool: Pool;
  readonly tracker: Tracker;
  readonly metrics: Metrics;
}

/** Composition root: names every provider. */
@Module({})
export class OpsModule {
  static forRoot({ config, pool, tracker, metrics }: OpsParts): DynamicModule {
    const production = config.isProduction;
    registerGauges({
      metrics,
      pool,
      controller: controllerId(config.controller),
      deadlineMs: config.connectorDeadlineMs,
    });
    return {
      module: OpsModule,
      imports: [
        AuthModule.forRoot({
          issuers: [{ issuer: config.authIssuer, jwksUrl: config.authJwksUrl }],
          audience: config.authAudience,
          allowLocalIssuer: !production,
          production,
        }),
        HealthModule.forRoot({
          checks: [
            { name: 'database', check: async () => ({ ok: (await pool.query('SELECT 1')).rowCount === 1 }) },
            { name: 'tracker', check: () => Promise.resolve({ ok: tracker.running() }) },
          ],
        }),
        MetricsModule.forRoot(metrics),
      ],
      controllers: [PropagationsController, PageController],
      providers: [
        { provide: opsPool, useValue: pool },
        { provide: Tracker, useValue: tracker },
      ],
    };
  }
}
