import { Readable } from 'node:stream';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Controller, Get, Header, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { LogAgreement } from '../snapshot/log-agreement.ts';
import { GateSnapshot } from '../snapshot/snapshot.ts';
import { ApiProblems } from './problems.ts';

@ApiTags('gate')
@ApiBearerAuth()
@Controller('v1/gate')
export class SnapshotController {
  readonly #snapshot: GateSnapshot;
  readonly #agreement: LogAgreement;

  constructor(snapshot: GateSnapshot, agreement: LogAgreement) {
    this.#snapshot = snapshot;
    this.#agreement = agreement;
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
  @ApiProblems(503)
  async read(@Caller() { controller }: Caller): Promise<StreamableFile> {
    if (!(await this.#agreement.isKnown()))
      throw new Refusal(
        'database-not-vouched-for',
        503,
        'No relay has found this database to hold all that was answered (RST-4).',
        { headers: { 'retry-after': '1' } },
      );
    const text = Readable.from(this.#snapshot.text(controller), { objectMode: false, highWaterMark: 65_536 });
    return new StreamableFile(text, { type: 'application/x-ndjson' });
  }
}
