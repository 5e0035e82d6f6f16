import { controllerId } from '@entente/contracts';
import { AuthModule, HealthModule, MetricsModule } from '@entente/http';
import { systemClock, type Logger, type Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Module, type DynamicModule } from '@nestjs/common';
import { Alertmanager } from './alerts/alertmanager.ts';
import { Audit } from './audit/audit.ts';
import { Canaries } from './canary/canaries.ts';
import type { OpsConfig } from './config.ts';
import { ConnectorApi } from './connectors/connector-api.ts';
import { AuditController } from './http/audit.controller.ts';
import { CanariesController } from './http/canaries.controller.ts';
import { DemoWorld } from './demo/demo-world.ts';
import { DemoController } from './http/demo.controller.ts';
import { ConnectorsController } from './http/connectors.controller.ts';
import { ConsoleController } from './http/console.controller.ts';
import { LeaksController } from './http/leaks.controller.ts';
import { Live } from './http/live.ts';
import { OverviewController } from './http/overview.controller.ts';
import { ParkedController } from './http/parked.controller.ts';
import { PeopleController } from './http/people.controller.ts';
import { PropagationsController } from './http/propagations.controller.ts';
import { ReconciliationsController } from './http/reconciliations.controller.ts';
import { SessionController } from './http/session.controller.ts';
import { StuckController } from './http/stuck.controller.ts';
import { UnreadableController } from './http/unreadable.controller.ts';
import { opsAlertmanager, opsConfig, opsCursors, opsLog, opsPool } from './http/tokens.ts';
import { registerGauges } from './metrics/gauges.ts';
import { sealedCursors } from './read/cursors.ts';
import { configuredSignIn } from './sign-in/configured.ts';
import { SignInController, signInToken } from './sign-in/sign-in.controller.ts';
import { Tracker } from './tracker/tracker.ts';

export interface OpsParts {
  readonly config: OpsConfig;
  readonly pool: Pool;
  readonly tracker: Tracker;
  readonly connectors: ConnectorApi;
  readonly canaries: Canaries;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Composition root: names every provider. */
@Module({})
export class OpsModule {
  static forRoot({ config, pool, tracker, connectors, canaries, metrics, log }: OpsParts): DynamicModule {
    const production = config.isProduction;
    const audit = new Audit(pool);
    const signIn = configuredSignIn(config, pool, audit, log);
    const { alertmanagerUrl, demoWorldUrl, demoWorldToken } = config;
    const alertmanager = alertmanagerUrl === undefined ? null : new Alertmanager(alertmanagerUrl, systemClock, log);
    const demo =
      demoWorldUrl === undefined || demoWorldToken === undefined ? null : new DemoWorld(demoWorldUrl, demoWorldToken);
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
          sessions: signIn?.sessions,
        }),
        HealthModule.forRoot({
          checks: [
            { name: 'database', check: async () => ({ ok: (await pool.query('SELECT 1')).rowCount === 1 }) },
            { name: 'tracker', check: () => Promise.resolve({ ok: tracker.running() }) },
          ],
        }),
        MetricsModule.forRoot(metrics),
      ],
      // The console takes every path below /console that is not one of these.
      controllers: [
        PropagationsController,
        OverviewController,
        ConnectorsController,
        StuckController,
        ParkedController,
        UnreadableController,
        LeaksController,
        CanariesController,
        ReconciliationsController,
        PeopleController,
        AuditController,
        SessionController,
        ...(demo === null ? [] : [DemoController]),
        SignInController,
        ConsoleController,
      ],
      providers: [
        { provide: opsPool, useValue: pool },
        { provide: opsCursors, useValue: sealedCursors(config.clientSecret) },
        { provide: opsConfig, useValue: config },
        { provide: opsLog, useValue: log },
        { provide: opsAlertmanager, useValue: alertmanager },
        { provide: signInToken, useValue: signIn },
        { provide: Tracker, useValue: tracker },
        { provide: Audit, useValue: audit },
        { provide: ConnectorApi, useValue: connectors },
        { provide: Canaries, useValue: canaries },
        ...(demo === null ? [] : [{ provide: DemoWorld, useValue: demo }]),
        Live,
      ],
    };
  }
}
