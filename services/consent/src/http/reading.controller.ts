import { subjectId } from '@entente/contracts';
import type { SubjectKey } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Controller, Get, Headers, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { EvidenceReader } from '../evidence/evidence-reader.ts';
import type { EvidenceFound } from '../evidence/evidence-reader.ts';
import { SubjectDirectory } from '../identifiers/subject-directory.ts';
import { ConsentReader } from '../reading/consent-reader.ts';
import type { SubjectConsents } from '../reading/consent-reader.ts';
import { HistoryReader } from '../reading/history.ts';
import { SubjectConsentsBody } from './answers.dto.ts';
import { Cursors } from './cursors.ts';
import { ApiProblems } from './problems.ts';
import { AtQuery, EvidenceBody, HistoryBody, HistoryQuery } from './reading.dto.ts';
import { isSubjectId } from './shapes.ts';

const defaultPage = 50;
const changeIdShape = /^chg_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** What was decided, when, why, and what shows it. */
@ApiTags('reading')
@ApiBearerAuth()
@Controller('v1')
export class ReadingController {
  readonly #directory: SubjectDirectory;
  readonly #consents: ConsentReader;
  readonly #history: HistoryReader;
  readonly #evidence: EvidenceReader;
  readonly #cursors: Cursors;

  constructor(
    directory: SubjectDirectory,
    consents: ConsentReader,
    history: HistoryReader,
    evidence: EvidenceReader,
    cursors: Cursors,
  ) {
    this.#directory = directory;
    this.#consents = consents;
    this.#history = history;
    this.#evidence = evidence;
    this.#cursors = cursors;
  }

  @Get('subjects/:subjectId/consents')
  @Scopes('consent:read')
  @ApiOperation({
    operationId: 'readConsents',
    summary: 'What one person has decided, now or at an instant of the past',
  })
  @ApiOkResponse({ type: SubjectConsentsBody })
  @ApiProblems(400, 404)
  async read(
    @Param('subjectId') id: string,
    @Query() { at }: AtQuery,
    @Headers('if-none-match') held: string | undefined,
    @Caller() { controller }: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SubjectConsents | undefined> {
    const candidates = this.#candidates(controller, id);
    const consents =
      at === undefined
        ? await this.#consents.read(controller, candidates)
        : await this.#consents.readAt(controller, candidates, this.#past(at));
    if (consents === null) throw unknownSubject(at);
    // A grant that has run out since its version was written is another answer under the same version.
    const isAsWritten = consents.purposes.every(({ decision, effective }) => effective || decision !== 'granted');
    return notModified(reply, held, consents.version) && isAsWritten ? this.#unchanged(reply) : consents;
  }

  @Get('subjects/:subjectId/history')
  @Scopes('consent:read')
  @ApiOperation({
    operationId: 'readHistory',
    summary: 'Every change of one person’s consent, newest first, each with its cause',
  })
  @ApiOkResponse({ type: HistoryBody })
  @ApiProblems(400, 404)
  async history(
    @Param('subjectId') id: string,
    @Query() { limit = defaultPage, cursor }: HistoryQuery,
    @Headers('if-none-match') held: string | undefined,
    @Caller() { controller }: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HistoryBody | undefined> {
    const candidates = this.#candidates(controller, id);
    const below = cursor === undefined ? undefined : this.#cursors.read(cursor, candidates);
    const page = await this.#history.page(controller, candidates, { below, limit });
    if (page === null) throw unknownSubject(undefined);
    const next = page.below === undefined ? undefined : this.#cursors.make(page.below, page.subjectKey);
    if (next !== undefined)
      void reply.header(
        'link',
        `</v1/subjects/${encodeURIComponent(id)}/history?limit=${limit}&cursor=${next}>; rel="next"`,
      );
    if (notModified(reply, held, page.version)) return this.#unchanged(reply);
    const { subjectKey, version, entries } = page;
    return { subjectKey, version, entries, ...(next === undefined ? {} : { next }) };
  }

  @Get('evidence/:changeId')
  @Scopes('consent:read')
  @ApiOperation({
    operationId: 'readEvidence',
    summary: 'How a change came about, and exactly what the person was shown',
  })
  @ApiOkResponse({ type: EvidenceBody })
  @ApiProblems(400, 404, 410)
  async evidence(
    @Param('changeId') id: string,
    @Caller() { controller }: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EvidenceFound> {
    const [, changeId] = changeIdShape.exec(id) ?? [];
    if (changeId === undefined) throw new Refusal('bad-change-id', 400, 'The path does not hold the id of a change.');
    const found = await this.#evidence.read(controller, changeId);
    if (found === null) throw new Refusal('unknown-change', 404, 'There is no such change.');
    void reply.header('cache-control', 'no-store');
    return found;
  }

  #candidates(controller: Caller['controller'], id: string): [SubjectKey, ...SubjectKey[]] {
    if (!isSubjectId(id)) throw new Refusal('bad-subject-id', 400, 'The path does not hold a subject id.');
    return this.#directory.candidates(controller, subjectId(id));
  }

  /** In UTC with microseconds, as the database keeps it: a change counts from the very instant it answered. */
  #past(at: string): string {
    const instant = new Date(at);
    if (instant.getTime() > this.#consents.now())
      throw new Refusal('instant-not-past', 400, 'How things will stand is not known.', {
        errors: [{ pointer: '/at', detail: 'must not be in the future' }],
      });
    if (instant.getTime() < 0) throw unknownSubject(at);
    const [, fraction = ''] = /\.(\d+)/.exec(at) ?? [];
    return `${instant.toISOString().slice(0, 19)}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
  }

  #unchanged(reply: FastifyReply): undefined {
    void reply.code(304);
    return undefined;
  }
}

/** H-3: sets the headers of this version; whether the caller holds it already. */
function notModified(reply: FastifyReply, held: string | undefined, version: number): boolean {
  const etag = `"${version}"`;
  void reply.headers({ etag, 'cache-control': 'no-store' });
  return held?.split(',').some((tag) => tag.trim() === etag) ?? false;
}

const unknownSubject = (at: string | undefined): Refusal =>
  new Refusal(
    'unknown-subject',
    404,
    at === undefined ? 'Nothing was ever recorded for this person.' : 'Nothing was recorded for this person by then.',
  );
