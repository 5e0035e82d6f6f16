import { Readable } from 'node:stream';
import { subjectId } from '@entente/contracts';
import type { ConsentRecord, SubjectKey } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Controller, Get, Header, Param, Query, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { BulkExport } from '../export/bulk-export.ts';
import { SubjectRecords } from '../export/subject-record.ts';
import { SubjectDirectory } from '../identifiers/subject-directory.ts';
import { ExportQuery } from './exports.dto.ts';
import { ApiProblems } from './problems.ts';
import { isSubjectId } from './shapes.ts';

/** What is recorded of people, to take away (docs/export.md). */
@ApiTags('exports')
@ApiBearerAuth()
@Controller('v1')
export class ExportsController {
  readonly #bulk: BulkExport;
  readonly #records: SubjectRecords;
  readonly #directory: SubjectDirectory;

  constructor(bulk: BulkExport, records: SubjectRecords, directory: SubjectDirectory) {
    this.#bulk = bulk;
    this.#records = records;
    this.#directory = directory;
  }

  @Get('exports/consents')
  @Scopes('admin')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'exportConsents',
    summary: 'Everybody’s consents, one person a line',
    description: 'In the order of subjectKey; go on with after= the last line’s.',
  })
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse({ content: { 'application/x-ndjson': { schema: { type: 'string' } } } })
  @ApiProblems(400)
  everybody(@Query() query: ExportQuery, @Caller() { controller, clientId }: Caller): StreamableFile {
    const { after, limit, identifiers } = query;
    const lines = this.#bulk.text(controller, clientId, {
      after: (after as SubjectKey | undefined) ?? null,
      limit: limit === undefined ? null : Number(limit),
      identifiers: identifiers === 'true',
    });
    return new StreamableFile(Readable.from(lines, { objectMode: false, highWaterMark: 65_536 }), {
      type: 'application/x-ndjson',
      disposition: 'attachment; filename="consents.ndjson"',
    });
  }

  @Get('subjects/:subjectId/export')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'exportSubject',
    summary: 'One person’s consent record, shaped as ISO/IEC TS 27560',
    description: 'Every purpose ever decided, as it was last put to the person, with each thing that happened to it.',
  })
  @ApiOkResponse({ schema: { type: 'object' } })
  @ApiProblems(400, 404)
  async person(@Param('subjectId') id: string, @Caller() { controller }: Caller): Promise<ConsentRecord> {
    if (!isSubjectId(id)) throw new Refusal('bad-subject-id', 400, 'The path does not hold a subject id.');
    const record = await this.#records.of(controller, this.#directory.candidates(controller, subjectId(id)));
    if (record === null) throw new Refusal('unknown-subject', 404, 'Nothing was ever recorded for this person.');
    return record;
  }
}
