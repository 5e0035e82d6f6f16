import { Gate } from '@entente/gate';
import { AuthModule, buildOpenApi, createHttpApp } from '@entente/http';
import { createLogger } from '@entente/observability';
import { Module, type DynamicModule } from '@nestjs/common';
import { ReconciliationSchedule } from './compare/reconciliation-schedule.ts';
import { SubjectKeys } from './consent/subject-keys.ts';
import { controllerToken, embeddedExposuresToken, exposuresToken } from './http/tokens.ts';
import { ParkedWork } from './revoke/parked-work.ts';
import { httpControllers } from './service/connector.module.ts';
import { ShareIntake } from './share/share-intake.ts';
import { DeliveryView } from './store/delivery-view.ts';
import { ReconciliationReports } from './store/reconciliation-reports.ts';

/** What the controllers stand on; nothing of it is asked while routes are only described. */
const ground = [
  ...[controllerToken, embeddedExposuresToken, exposuresToken],
  ...[DeliveryView, Gate, ParkedWork, ReconciliationReports, ReconciliationSchedule, ShareIntake, SubjectKeys],
];

/** The routes of every connector service over no ground at all: no database, no gate, no partner. */
@Module({})
class DescribedModule {
  static make(): DynamicModule {
    return {
      module: DescribedModule,
      imports: [
        AuthModule.forRoot({
          issuers: [{ issuer: 'http://localhost/none', jwks: { keys: [] } }],
          ...{ audience: 'entente', allowLocalIssuer: false, production: false },
        }),
      ],
      controllers: httpControllers,
      providers: ground.map((provide) => ({ provide, useValue: {} })),
    };
  }
}

/** The API's description from its routes, the same for every connector service; connects to nothing. */
export async function openApiText(): Promise<string> {
  const log = createLogger({ service: 'connector', level: 'silent' });
  const app = await createHttpApp({ module: DescribedModule.make(), log });
  try {
    await app.init();
    return buildOpenApi(app, {
      title: 'Entente connector services',
      version: '1',
      description:
        'Shares people’s data with the recipients it serves as far as their consents allow, revokes there, and knows who ' +
        'received what. The CRM, analytics and ad-partner connector answer the same; each knows its own recipients alone. ' +
        'Problems are RFC 9457 documents.',
    });
  } finally {
    await app.close();
  }
}

if (import.meta.filename === process.argv[1]) process.stdout.write(await openApiText());
