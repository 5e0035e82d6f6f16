import { Readable } from 'node:stream';
import { Caller, Scopes } from '@entente/http';
import { Controller, Get, Header, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { GateSnapshot } from '../snapshot/snapshot.ts';
import { ApiProblems } from './problems.ts';

@ApiTags('gate')
@ApiBearerAuth()
@Controller('v1/gate')
export class SnapshotController {
  readonly #snapshot: GateSnapshot;

  constructor(snapshot: GateSnapshot) {
    this.#snapshot = snapshot;
  }

  @Get('snapshot')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'readSnapshot',
    summary: 'The whole consent state of one controller, for seeding a gate',
    description:
      'One JSON object a line: `catalogue`, any number of `subject`, `end`. Without `end` it is worth nothing.',
  })
  @ApiProduces('application/x-ndjson')
  @ApiResponse({
    status: 200,
    description: 'NDJSON',
    content: { 'application/x-ndjson': { schema: { type: 'string' } } },
  })
  @ApiProblems()
  read(@Caller() { controller }: Caller): StreamableFile {
    const text = Readable.from(this.#snapshot.text(controller), { objectMode: false, highWaterMark: 65_536 });
    return new StreamableFile(text, { type: 'application/x-ndjson' });
  }
}
