import { Readable } from 'node:stream';
import { idPattern } from '@entente/contracts';
import type { NoticeRef } from '@entente/contracts';
import { Caller, Refusal, Scopes, StreamedBody } from '@entente/http';
import { Controller, Get, Header, HttpCode, Param, Patch, Post, Query, Req, Res, StreamableFile } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Format, ImportSettings } from '../import/formats/index.ts';
import type { ImportJob } from '../import/import-store.ts';
import { Imports } from '../import/imports.ts';
import { ImportBody, ImportQuery } from './imports.dto.ts';
import { ApiProblems } from './problems.ts';
import { parseRequestKey } from './to-command.ts';
import { bodyOf, bytesIn, isComplete, uploadedPieces } from './upload.ts';

const formatOf: Readonly<Record<string, Format>> = { 'text/csv': 'csv', 'application/x-ndjson': 'ndjson' };
const publicId = new RegExp(`^imp_(${idPattern.uuid.slice(1, -1)})$`);

/** Files of people, however large (docs/import.md). */
@ApiTags('imports')
@ApiBearerAuth()
@Controller('v1/imports')
export class ImportsController {
  readonly #imports: Imports;

  constructor(imports: Imports) {
    this.#imports = imports;
  }

  @Post()
  @HttpCode(201)
  @StreamedBody()
  @Scopes('consent:import')
  @ApiOperation({
    operationId: 'beginImport',
    summary: 'Take in a file of people, or begin to',
    description:
      'Rows are recorded while the file comes. Without a body, or with Upload-Complete: ?0, more follows by PATCH. With an ' +
      'Idempotency-Key the caller’s open import of that key is gone on with: what was taken is skipped. An import fills what ' +
      'nobody has decided and otherwise only takes away; granting needs consent:grant too.',
  })
  @ApiConsumes('text/csv', 'application/x-ndjson')
  @ApiBody({ required: false, schema: { type: 'string', format: 'binary' } })
  @ApiHeader({ name: 'Idempotency-Key', required: false })
  @ApiHeader({ name: 'Upload-Complete', required: false, description: '?0: more follows. Default ?1.' })
  @ApiHeader({ name: 'Upload-Length', required: false, description: 'Bytes of the whole file.' })
  @ApiCreatedResponse({ type: ImportBody })
  @ApiProblems(400, 408, 409, 415, 422, 503)
  async begin(
    @Query() query: ImportQuery,
    @Req() request: FastifyRequest,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportBody> {
    const { headers } = request;
    const key = parseRequestKey(headers['idempotency-key'], () => '');
    if (key.kind === 'malformed')
      throw new Refusal(
        'idempotency-key-malformed',
        400,
        'The Idempotency-Key must be 1 to 255 printable ASCII characters.',
      );
    const body = bodyOf(request);
    const isLast = isComplete(headers['upload-complete']);
    const settings = settingsOf(query, headers['content-type']);
    const length = bytesIn(headers, 'upload-length') ?? (isLast ? bytesIn(headers, 'content-length') : null);
    const total = length === 0 ? null : length;
    const job = await this.#imports.begin(caller, settings, { total, key: key.kind === 'given' ? key.key : null });
    const taken =
      body === null ? job : await this.#imports.take(job, caller, { body: uploadedPieces(body), offset: 0, isLast });
    void reply.header('location', pathOf(taken));
    return answer(taken, reply);
  }

  @Patch(':id')
  @HttpCode(200)
  @StreamedBody()
  @Scopes('consent:import')
  @ApiOperation({
    operationId: 'continueImport',
    summary: 'Go on with an import',
    description:
      'The body is the file from byte Upload-Offset on; what was taken already is skipped. The answer says where the import ' +
      'stands: the beginning of a line, which may be before the end of what was sent.',
  })
  @ApiConsumes('text/csv', 'application/x-ndjson', 'application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiHeader({ name: 'Upload-Offset', required: true, description: 'Where in the file the body begins, in bytes.' })
  @ApiHeader({ name: 'Upload-Complete', required: false, description: '?0: more follows. Default ?1.' })
  @ApiOkResponse({ type: ImportBody })
  @ApiProblems(400, 404, 408, 409, 415, 422, 503)
  async goOn(
    @Param('id') id: string,
    @Req() request: FastifyRequest,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportBody> {
    const body = bodyOf(request);
    const offset = bytesIn(request.headers, 'upload-offset');
    if (offset === null) throw new Refusal('invalid-request', 400, 'The header Upload-Offset is required.');
    const isLast = isComplete(request.headers['upload-complete']);
    const job = await this.#found(id, caller);
    const pieces = body === null ? nothing() : uploadedPieces(body);
    return answer(await this.#imports.take(job, caller, { body: pieces, offset, isLast }), reply);
  }

  @Get(':id')
  @Scopes('consent:import')
  @ApiOperation({ operationId: 'readImport', summary: 'How far an import has come, and where to go on' })
  @ApiOkResponse({ type: ImportBody })
  @ApiProblems(404)
  async read(
    @Param('id') id: string,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportBody> {
    return answer(await this.#found(id, caller), reply);
  }

  @Get(':id/rejects')
  @Scopes('consent:import')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'readRejects',
    summary: 'Rows that were not taken, or not wholly, in the order of the file',
    description: 'One JSON object a line: `line`, `partly`, `reason`. Nothing of the row itself.',
  })
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse({ content: { 'application/x-ndjson': { schema: { type: 'string' } } } })
  @ApiProblems(404)
  async rejects(@Param('id') id: string, @Caller() caller: Caller): Promise<StreamableFile> {
    const job = await this.#found(id, caller);
    return new StreamableFile(Readable.from(linesOf(this.#imports.rejects(job)), { objectMode: false }), {
      type: 'application/x-ndjson',
      disposition: `attachment; filename="imp_${job.id}.rejects.ndjson"`,
    });
  }

  async #found(id: string, { controller }: Caller): Promise<ImportJob> {
    const [, uuid] = publicId.exec(id) ?? [];
    const job = uuid === undefined ? null : await this.#imports.find(controller, uuid);
    if (job === null) throw new Refusal('unknown-import', 404, 'There is no such import.');
    return job;
  }
}

async function* linesOf(pages: AsyncIterable<readonly object[]>): AsyncGenerator<string, void, void> {
  for await (const page of pages) yield page.map((reject) => `${JSON.stringify(reject)}\n`).join('');
}

async function* nothing(): AsyncGenerator<Buffer, void, void> {}

function settingsOf(
  { format, notice, dryRun, purposes }: ImportQuery,
  contentType: string | undefined,
): ImportSettings {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  const chosen = format ?? formatOf[type];
  if (chosen === undefined)
    throw new Refusal(
      'unsupported-media-type',
      415,
      'Say what the file is: text/csv, application/x-ndjson, or ?format=.',
    );
  return {
    ...{ format: chosen, dryRun: dryRun === 'true' },
    ...(notice === undefined ? {} : { notice: notice as NoticeRef }),
    ...(purposes === undefined ? {} : { purposes: namesIn(purposes) }),
  };
}

/** Most names one import may list. */
const mostNames = 1_000;

function namesIn(text: string): Readonly<Record<string, string>> {
  const names = parsed(text);
  const isMap = typeof names === 'object' && names !== null && !Array.isArray(names);
  const entries: [string, unknown][] = isMap ? Object.entries(names) : [];
  const isName = (value: unknown) => typeof value === 'string' && new RegExp(idPattern.name, 'u').test(value);
  if (!isMap || entries.length > mostNames || !entries.every(([, purpose]) => isName(purpose)))
    throw new Refusal('invalid-request', 400, 'The request does not have the shape this operation takes.', {
      errors: [{ pointer: '/purposes', detail: 'must be a JSON object of names of purposes' }],
    });
  return Object.fromEntries(entries) as Record<string, string>;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // What is no JSON is no map of names, which is what is told.
    return null;
  }
}

const pathOf = ({ id }: ImportJob): string => `/v1/imports/imp_${id}`;

function answer(job: ImportJob, reply: FastifyReply): ImportBody {
  void reply.headers({
    'cache-control': 'no-store',
    'upload-offset': String(job.position),
    'upload-complete': job.state === 'done' ? '?1' : '?0',
  });
  const { state, settings, position, lines, total, rows, recorded, unchanged, partly, rejected } = job;
  return {
    ...{ id: `imp_${job.id}`, state, format: settings.format, dryRun: settings.dryRun },
    position: { bytes: position, lines, ...(total === null ? {} : { total }) },
    ...{ rows, recorded, unchanged, partly, rejected, startedAt: job.createdAt, updatedAt: job.updatedAt },
    links: { self: pathOf(job), rejects: `${pathOf(job)}/rejects` },
  };
}
