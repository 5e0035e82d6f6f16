import { AuthModule, HealthModule, MetricsModule } from '@entente/http';
import type { HealthCheck } from '@entente/http';
import type { Metrics } from '@entente/observability';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { AdminLog } from './admin-log/admin-log.ts';
import { CatalogueReader } from './catalogue/catalogue-store.ts';
import { CatalogueWriter } from './catalogue/change-catalogue.ts';
import type { ConsentParts } from './consent-parts.ts';
import type { ConsentConfig } from './config.ts';
import { AdminLogController } from './http/admin-log.controller.ts';
import { CatalogueController } from './http/catalogue.controller.ts';
import { ConsentsController } from './http/consents.controller.ts';
import { ExportsController } from './http/exports.controller.ts';
import { ImportsController } from './http/imports.controller.ts';
import { LedgerController } from './http/ledger.controller.ts';
import { ReceiptsController } from './http/receipts.controller.ts';
import { PersonsController } from './http/persons.controller.ts';
import { PropagationLinks } from './http/propagation-links.ts';
import { Recording } from './http/recording.ts';
import { SignalsController } from './http/signals.controller.ts';
import { SnapshotController } from './http/snapshot.controller.ts';
import { SubjectsController } from './http/subjects.controller.ts';
import { CommandMapper } from './http/to-command.ts';
import { SubjectDirectory } from './identifiers/subject-directory.ts';
import { BulkExport } from './export/bulk-export.ts';
import { SubjectRecords } from './export/subject-record.ts';
import { Imports } from './import/imports.ts';
import { LedgerProofs } from './ledger-proofs/proofs.ts';
import { Receipts } from './receipts/receipts.ts';
import { ConsentReader } from './reading/consent-reader.ts';
import { DecisionsController } from './http/decisions.controller.ts';
import { DecisionPoint } from './reading/decision-point.ts';
import { HistoryReader } from './reading/history.ts';
import { EvidenceReader } from './evidence/evidence-reader.ts';
import { Cursors } from './http/cursors.ts';
import { ReadingController } from './http/reading.controller.ts';
import { SignalIntake } from './signals/signal-intake.ts';
import { SignalViews } from './signals/signal-views.ts';
import { LogAgreement } from './snapshot/log-agreement.ts';
import { GateSnapshot } from './snapshot/snapshot.ts';

export interface ConsentModuleOptions {
  readonly config: Readonly<ConsentConfig>;
  readonly parts: ConsentParts;
  readonly metrics: Metrics;
  readonly checks: readonly HealthCheck[];
}

const apiControllers = [
  ...[ConsentsController, SubjectsController, PersonsController],
  ...[ReadingController, CatalogueController, SnapshotController],
  ...[LedgerController, AdminLogController, ReceiptsController, SignalsController],
  ...[ImportsController, ExportsController],
];

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
      controllers: [
        ...(api ? apiControllers : []),
        ...(api || config.decisions.length > 0 ? [DecisionsController] : []),
      ],
      providers: [
        { provide: CommandMapper, useValue: parts.mapper },
        {
          provide: Recording,
          useValue: new Recording(parts.recorder, parts.gateWaiter, new PropagationLinks(config.opsUrl)),
        },
        { provide: ConsentReader, useValue: parts.reader },
        { provide: HistoryReader, useValue: parts.history },
        { provide: EvidenceReader, useValue: parts.evidence },
        { provide: DecisionPoint, useValue: parts.decisionPoint },
        { provide: Cursors, useValue: parts.cursors },
        { provide: SubjectDirectory, useValue: parts.directory },
        { provide: CatalogueReader, useValue: parts.catalogueReader },
        { provide: CatalogueWriter, useValue: parts.catalogueWriter },
        { provide: SignalIntake, useValue: parts.signalIntake },
        { provide: SignalViews, useValue: parts.signalViews },
        { provide: BulkExport, useValue: parts.bulkExport },
        { provide: SubjectRecords, useValue: parts.records },
        { provide: Imports, useValue: parts.imports },
        { provide: GateSnapshot, useValue: parts.snapshot },
        { provide: LogAgreement, useValue: parts.logAgreement },
        { provide: AdminLog, useValue: parts.adminLog },
        { provide: LedgerProofs, useValue: parts.proofs },
        { provide: Receipts, useValue: parts.receipts },
      ],
    };
  }
}
