import type { ControllerId } from '@entente/contracts';
import type { Gate } from '@entente/gate';
import type { Clock, Logger, Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { PartnerComparison } from '../compare/partner-comparison.ts';
import { ReconciliationSchedule } from '../compare/reconciliation-schedule.ts';
import { Confirmations } from '../confirm/confirmations.ts';
import { Confirmer } from '../confirm/confirmer.ts';
import type { ConsentApi } from '../consent/consent-api.ts';
import { KnownPersons } from '../consent/known-persons.ts';
import { confirmPolicy } from '../delivery-step/confirm-step.ts';
import type { EmbeddedExposureDesk } from '../http/embedded-exposures.controller.ts';
import type { ExposureDesk } from '../http/exposures.controller.ts';
import type { BoundRecipient } from '../partner/recipient.ts';
import { ExposureImport } from '../store/exposure-import.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import type { IdentifierSource } from '../store/identifier-source.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';
import { ReconciliationReports } from '../store/reconciliation-reports.ts';
import type { ConnectorConfig } from './config.ts';
import { randomUUID } from 'node:crypto';

export interface AssuranceOptions {
  readonly recipients: readonly BoundRecipient[];
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly vault: IdentifierVault;
  readonly identifiers: IdentifierSource;
  readonly consent: ConsentApi;
  readonly gate: Pick<Gate, 'catalogue' | 'decide'>;
  readonly config: Pick<ConnectorConfig, 'confirmationGiveUpMs' | 'reconcileEveryMs'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** A revocation is due. */
  readonly wake: () => void;
  /** DLV-7. */
  readonly reconcile: () => void;
}

/** What tells whether "accepted" is true at the partner, and who was given what. */
export interface AssuranceParts {
  readonly confirmations: Confirmations;
  readonly reports: ReconciliationReports;
  readonly schedule: ReconciliationSchedule;
  readonly exposures: ExposureDesk;
  readonly embedded: EmbeddedExposureDesk;
  start(): void;
  stop(): Promise<void>;
}

export function assuranceParts(options: AssuranceOptions): AssuranceParts {
  const { recipients, pool, controller, vault, identifiers, consent, gate, config } = options;
  const { clock, log, metrics, random, wake, reconcile } = options;
  const policy = { ...confirmPolicy, giveUpAfterMs: config.confirmationGiveUpMs };
  const confirmations = new Confirmations({ pool, controller, vault, policy, random, log });
  const confirmers = recipients.map(
    (recipient) => new Confirmer({ recipient, confirmations, pool, controller, clock, log, metrics, wake }),
  );
  const reports = new ReconciliationReports(pool, controller);
  const comparisons = new Map(
    recipients
      .filter(({ readsBack }) => readsBack)
      .map((recipient) => [
        recipient.id,
        new PartnerComparison({ recipient, pool, controller, identifiers, reports, clock, log, wake }),
      ]),
  );
  const schedule = new ReconciliationSchedule({ comparisons, reports, everyMs: config.reconcileEveryMs, clock, log });
  const byId = new Map(recipients.map((recipient) => [recipient.id, recipient]));
  const catalogue = {
    held: () => gate.catalogue?.number ?? null,
    newest: inTurn(async () => (await consent.catalogue()).number),
  };
  const exposures: ExposureDesk = {
    ...{ controller, pool, clock, consent, catalogue, recipients: byId },
    exposureImport: new ExposureImport({ pool, controller, vault, log, wake, reconcile }),
    recipient: (id) => {
      const bound = byId.get(id);
      if (bound === undefined) return undefined;
      const { purposes = [], preloaded = false } = gate.catalogue?.recipients.get(id) ?? {};
      return { identifiers: bound.identifiers, purposes, preloaded };
    },
  };
  return {
    ...{ confirmations, reports, schedule, exposures },
    embedded: {
      ...{ controller, vault, catalogue, recipient: (id) => exposures.recipient(id) },
      persons: new KnownPersons({ pool, controller, gate, consent, log }),
      register: new ExposureRegister({ pool, controller, owner: randomUUID(), log }),
    },
    start: () => {
      for (const confirmer of confirmers) confirmer.start();
      schedule.start();
    },
    stop: async () => {
      await schedule.stop();
      await Promise.all(confirmers.map((confirmer) => confirmer.stop()));
    },
  };
}

/** Whoever asks while a question is under way shares the next one, whose answer is newer than what made them ask. */
function inTurn<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () =>
    (next ??= running
      // Its failure is told to those who asked it.
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        const asked = ask();
        running = asked;
        return asked;
      }));
}
