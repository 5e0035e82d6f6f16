import { isDeepStrictEqual } from 'node:util';
import { uuidv7 } from '@entente/contracts';
import type { ControllerId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Caller } from '@entente/http';
import type { Clock } from '@entente/observability';
import type { Pseudonyms } from '../erasure/pseudonyms.ts';
import type { SubjectDirectory } from '../identifiers/subject-directory.ts';
import type { ImportSettings } from './formats/index.ts';
import type { ImportJob, ImportStore, Reject } from './import-store.ts';
import type { Importer, Upload } from './importer.ts';

const route = 'POST /v1/imports';

/** Imports as callers know them: begun, gone on with, looked at. */
export class Imports {
  readonly #store: ImportStore;
  readonly #importer: Importer;
  readonly #directory: Pick<SubjectDirectory, 'candidates'>;
  readonly #pseudonyms: Pseudonyms;
  readonly #clock: Clock;

  constructor(
    store: ImportStore,
    importer: Importer,
    directory: Pick<SubjectDirectory, 'candidates'>,
    pseudonyms: Pseudonyms,
    clock: Clock,
  ) {
    this.#store = store;
    this.#importer = importer;
    this.#directory = directory;
    this.#pseudonyms = pseudonyms;
    this.#clock = clock;
  }

  /** Begins one, or finds the caller's open one of the same key, which must have been begun with the same wishes. */
  async begin(
    { controller, clientId: client }: Caller,
    settings: ImportSettings,
    { total, key }: { readonly total: number | null; readonly key: string | null },
  ): Promise<ImportJob> {
    const id = uuidv7(this.#clock.now());
    const job = await this.#store.create({ id, controller, client, settings, total }, key);
    if (isDeepStrictEqual(job.settings, settings)) return job;
    throw new Refusal(
      'idempotency-key-reused',
      422,
      'An import with this Idempotency-Key is open and was begun with other parameters.',
    );
  }

  take(job: ImportJob, caller: Caller, upload: Omit<Upload, 'context'>): Promise<ImportJob> {
    const context = {
      ...{ controller: job.controller, actor: { client: caller.clientId, route, import: `imp_${job.id}` } },
      mayGrant: caller.scopes.includes('consent:grant'),
      candidates: this.#directory.candidates.bind(this.#directory),
      pseudonyms: this.#pseudonyms,
    };
    return this.#importer.take(job, { ...upload, context });
  }

  find(controller: ControllerId, id: string): Promise<ImportJob | null> {
    return this.#store.find(controller, id);
  }

  rejects(job: ImportJob): AsyncIterable<readonly Reject[]> {
    return this.#store.rejects(job.id);
  }

  stop(): void {
    this.#importer.stop();
  }
}
