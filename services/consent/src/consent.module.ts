import { AuthModule, HealthModule, MetricsModule } from '@entente/http';
import type { HealthCheck } from '@entente/http';
import type { Metrics } from '@entente/observability';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { CatalogueReader } from './catalogue/catalogue-store.ts';
import { CatalogueWriter } from './catalogue/change-catalogue.ts';
import type { ConsentParts } from './consent-parts.ts';
import type { ConsentConfig } from './config.ts';
import { GateWaiter } from './gates/wait-for-gates.ts';
import { CatalogueController } from './http/catalogue.controller.ts';
import { ConsentsController } from './http/consents.controller.ts';
import { PropagationLinks } from './http/propagation-links.ts';
import { SignalsController } from './http/signals.controller.ts';
import { SnapshotController } from './http/snapshot.controller.ts';
import { SubjectsController } from './http/subjects.controller.ts';
import { CommandMapper } from './http/to-command.ts';
import { SubjectDirectory } from './identifiers/subject-directory.ts';
import { ConsentReader } from './ledger/consent-reader.ts';
import { Recorder } from './ledger/recorder.ts';
import { SignalIntake } from './signals/signal-intake.ts';
import { SignalViews } from './signals/signal-views.ts';
import { GateSnapshot } from './snapshot/snapshot.ts';

export interface ConsentModuleOptions {
  readonly config: Readonly<ConsentConfig>;
  readonly parts: ConsentParts;
  readonly metrics: Metrics;
  readonly checks: readonly HealthCheck[];
}

/** What the HTTP side is made of; the parts live longer than the app, so they are made outside it. */
@Module({})
export class ConsentModule {
  static forRoot({ config, parts, metrics, checks }: ConsentModuleOptions): DynamicModule {
    const isProduction = config.isProduction;
    const api = config.api === 'on';
    return {
      module: ConsentModule,
      imports: [
        AuthModule.forRoot({
          issuers: [{ issuer: config.authIssuer, jwksUrl: config.authJwksUrl }],
          audience: config.authAudience,
          allowLocalIssuer: !isProduction,
          production: isProduction,
        }),
        HealthModule.forRoot({ checks }),
        MetricsModule.forRoot(metrics),
      ],
      controllers: api
        ? [ConsentsController, SubjectsController, CatalogueController, SignalsController, SnapshotController]
        : [],
      providers: [
        { provide: CommandMapper, useValue: parts.mapper },
        { provide: Recorder, useValue: parts.recorder },
        { provide: GateWaiter, useValue: parts.gateWaiter },
        { provide: PropagationLinks, useValue: new PropagationLinks(config.opsUrl) },
        { provide: ConsentReader, useValue: parts.reader },
        { provide: SubjectDirectory, useValue: parts.directory },
        { provide: CatalogueReader, useValue: parts.catalogueReader },
        { provide: CatalogueWriter, useValue: parts.catalogueWriter },
        { provide: SignalIntake, useValue: parts.signalIntake },
        { provide: SignalViews, useValue: parts.signalViews },
        { provide: GateSnapshot, useValue: parts.snapshot },
      ],
    };
  }
}
