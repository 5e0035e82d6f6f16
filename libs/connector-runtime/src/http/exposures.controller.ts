import {
  idPattern,
  subjectId,
  type ControllerId,
  type PlainText,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes } from '@entente/http';
import type { Clock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { ConsentApi } from '../consent/consent-api.ts';
import { namesPerRequest } from '../consent/consent-api.ts';
import { exposuresOf } from '../store/exposure-view.ts';
import type { EarlierExposure, ExposureImport } from '../store/exposure-import.ts';
import { ExposureImportDto, SubjectExposuresDto, type RejectedLineDto } from './exposures.dto.ts';
import { invalidImport, readImportLines, type ImportLine, type ImportRecipient } from './exposure-import-rows.ts';
import { judgedBy, mustBeNewest, type CatalogueNumbers } from './newest-catalogue.ts';
import { exposuresToken } from './tokens.ts';

/** What the exposure register's endpoints stand on. */
export interface ExposureDesk {
  readonly controller: ControllerId;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly exposureImport: Pick<ExposureImport, 'import'>;
  readonly consent: Pick<ConsentApi, 'subjectKeys'>;
  readonly catalogue: CatalogueNumbers;
  /** Recipients of this service, with what their partner is and what the catalogue says of them. */
  readonly recipients: ReadonlyMap<RecipientId, { readonly partner: string; readonly documentedDelay: PlainText }>;
  recipient(id: RecipientId): (ImportRecipient & { readonly preloaded: boolean }) | undefined;
}

/** Who received a person's data, and what they were given before Entente. */
@ApiTags('exposures')
@ApiBearerAuth()
@Controller('v1')
export class ExposuresController {
  readonly #desk: ExposureDesk;

  constructor(@Inject(exposuresToken) desk: ExposureDesk) {
    this.#desk = desk;
  }

  @Get('subjects/:subjectKey/exposures')
  @Scopes('ops:read')
  @ApiOperation({ operationId: 'readExposures', summary: 'Who received a person’s data' })
  @ApiOkResponse({ type: SubjectExposuresDto, description: 'Art. 19 GDPR: recipients of this service alone.' })
  @ApiProblems()
  async show(@Caller() caller: Caller, @Param('subjectKey') subjectKey: string): Promise<SubjectExposuresDto> {
    const { pool, controller, recipients } = this.#desk;
    const readable = new RegExp(idPattern.subjectKey).test(subjectKey) && caller.controller === controller;
    const rows = readable ? await exposuresOf(pool, controller, [...recipients.keys()], subjectKey as SubjectKey) : [];
    const held = rows.flatMap((row) => {
      const preloaded = this.#desk.recipient(row.recipient)?.preloaded ?? false;
      if (row.held === 'unrecorded' && !preloaded) return [];
      const known = recipients.get(row.recipient);
      if (known === undefined) return [];
      const { partner, documentedDelay } = known;
      const basis = row.held === 'unrecorded' ? ('preloaded' as const) : row.held;
      const { recipient, allowed, exposures, revocation } = row;
      return [
        { recipient, partner, documentedDelay, basis, allowed: [...allowed], exposures: [...exposures], revocation },
      ];
    });
    return { subjectKey, recipients: held };
  }

  @Post('exposures/import')
  @HttpCode(200)
  @Scopes('admin')
  @ApiConsumes('application/x-ndjson')
  @ApiBody({ schema: { type: 'string' }, description: 'One JSON object a line; see docs/exposures.md.' })
  @ApiOperation({ operationId: 'importExposures', summary: 'Tell what recipients were given before Entente' })
  @ApiOkResponse({ type: ExposureImportDto })
  @ApiProblems(400, 413, 415, 503)
  async import(@Caller() caller: Caller, @Req() request: FastifyRequest): Promise<ExposureImportDto> {
    const { controller, clock, exposureImport, catalogue } = this.#desk;
    if (caller.controller !== controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    if (typeof request.body !== 'string')
      throw new Refusal('unsupported-media-type', 415, 'The body must be application/x-ndjson in UTF-8.');
    const number = judgedBy(catalogue);
    const { lines, errors, lacksPurpose } = readImportLines(
      request.body,
      (id) => this.#desk.recipient(id),
      clock.now(),
    );
    if (lacksPurpose) await mustBeNewest(number, catalogue);
    if (errors.length > 0) throw invalidImport(errors);
    const keys = await this.#keysOf(lines);
    const rejected: RejectedLineDto[] = [];
    const rows: { readonly line: number; readonly exposure: EarlierExposure }[] = [];
    for (const { line, subjectId: id, ...exposure } of lines) {
      const subjectKey = keys.get(id);
      if (subjectKey === undefined) rejected.push({ line, reason: 'unknown-subject' });
      else rows.push({ line, exposure: { ...exposure, subjectKey } });
    }
    const results = await exposureImport.import(rows.map(({ exposure }) => exposure));
    rows.forEach(({ line }, index) => {
      const result = results[index];
      if (result === 'revocation-in-flight') rejected.push({ line, reason: result });
    });
    return { imported: lines.length - rejected.length, rejected: rejected.sort((a, b) => a.line - b.line) };
  }

  /** Only persons the consent service knows: of all others nobody could say what they agreed to. */
  async #keysOf(lines: readonly ImportLine[]): Promise<ReadonlyMap<string, SubjectKey>> {
    const ids = [...new Set(lines.map((line) => line.subjectId))];
    const keys = new Map<string, SubjectKey>();
    try {
      for (let from = 0; from < ids.length; from += namesPerRequest) {
        const asked = ids.slice(from, from + namesPerRequest).map((id) => subjectId(id));
        for (const { subjectId: id, subjectKey, known } of await this.#desk.consent.subjectKeys(asked))
          if (known) keys.set(id, subjectKey);
      }
    } catch (cause) {
      const refusal = new Refusal('consent-unavailable', 503, 'The consent service cannot name these persons now.', {
        headers: { 'retry-after': '1' },
      });
      refusal.cause = cause;
      throw refusal;
    }
    return keys;
  }
}
