import { controllerId } from '@entente/contracts';
import { Gate } from '@entente/gate';
import { AuthModule, HealthModule, LOCAL_ISSUER, MetricsModule } from '@entente/http';
import type { EventSource } from '@entente/kafka';
import type { Metrics } from '@entente/observability';
import { Module, type DynamicModule } from '@nestjs/common';
import { ReconciliationSchedule } from '../compare/reconciliation-schedule.ts';
import { SubjectKeys } from '../consent/subject-keys.ts';
import { DeliveriesController } from '../http/deliveries.controller.ts';
import { GateController } from '../http/gate.controller.ts';
import { ParkedController } from '../http/parked.controller.ts';
import { SharesController } from '../http/shares.controller.ts';
import { EmbeddedExposuresController } from '../http/embedded-exposures.controller.ts';
import { ExposuresController } from '../http/exposures.controller.ts';
import { ReconciliationsController } from '../http/reconciliations.controller.ts';
import { controllerToken, embeddedExposuresToken, exposuresToken } from '../http/tokens.ts';
import { CatalogueKeeper } from '../receive/catalogue-keeper.ts';
import { ChangeReceiver } from '../receive/change-receiver.ts';
import { ConsentEventsController } from '../receive/consent-events.controller.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { KafkaShares } from '../share/kafka-shares.ts';
import { ShareIntake } from '../share/share-intake.ts';
import { DeliveryView } from '../store/delivery-view.ts';
import { ReconciliationReports } from '../store/reconciliation-reports.ts';
import type { ConnectorConfig } from './config.ts';
import type { ConnectorParts } from './connector-parts.ts';
import { readinessChecks } from './readiness.ts';

export interface ConnectorModuleOptions {
  readonly config: Readonly<ConnectorConfig>;
  readonly parts: ConnectorParts;
  readonly sources: ReadonlyMap<string, EventSource>;
  readonly metrics: Metrics;
}

/** What a connector service answers over HTTP. */
export const httpControllers = [
  SharesController,
  DeliveriesController,
  ParkedController,
  GateController,
  ReconciliationsController,
  ExposuresController,
  EmbeddedExposuresController,
];

/** Composition root of every connector service. */
@Module({})
export class ConnectorModule {
  static forRoot({ config, parts, sources, metrics }: ConnectorModuleOptions): DynamicModule {
    const production = config.isProduction;
    return {
      module: ConnectorModule,
      imports: [
        AuthModule.forRoot({
          issuers: [{ issuer: config.authIssuer, jwksUrl: config.authJwksUrl }],
          audience: config.authAudience,
          allowLocalIssuer: !production && config.authIssuer === LOCAL_ISSUER,
          production,
        }),
        HealthModule.forRoot({ checks: readinessChecks(parts, sources) }),
        MetricsModule.forRoot(metrics),
      ],
      controllers: [...httpControllers, ConsentEventsController],
      providers: [
        { provide: controllerToken, useValue: controllerId(config.controller) },
        { provide: Gate, useValue: parts.gate },
        { provide: ShareIntake, useValue: parts.intake },
        { provide: SubjectKeys, useValue: parts.subjectKeys },
        { provide: DeliveryView, useValue: parts.view },
        { provide: ParkedWork, useValue: parts.parked },
        { provide: ReconciliationSchedule, useValue: parts.assurance.schedule },
        { provide: ReconciliationReports, useValue: parts.assurance.reports },
        { provide: exposuresToken, useValue: parts.assurance.exposures },
        { provide: embeddedExposuresToken, useValue: parts.assurance.embedded },
        { provide: ChangeReceiver, useValue: parts.receiver },
        { provide: CatalogueKeeper, useValue: parts.keeper },
        { provide: KafkaShares, useValue: parts.kafkaShares },
      ],
    };
  }
}
