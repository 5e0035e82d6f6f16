import { Readable } from 'node:stream';
import { ledgerMediaType } from '@entente/contracts';
import { Caller, Public, Scopes } from '@entente/http';
import { Controller, Get, Header, Param, Query, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { LedgerProofs } from '../ledger-proofs/proofs.ts';
import type { ConsistencyProof, InclusionProof } from '../ledger-proofs/proofs.ts';
import { changeUuid } from './change-id.ts';
import { ConsistencyProofBody, ConsistencyQuery, InclusionProofBody } from './ledger.dto.ts';
import { ApiProblems } from './problems.ts';

const plainText = 'text/plain; charset=utf-8';

@ApiTags('ledger')
@Controller('v1/ledger')
export class LedgerController {
  readonly #proofs: LedgerProofs;

  constructor(proofs: LedgerProofs) {
    this.#proofs = proofs;
  }

  @Get('checkpoint')
  @Public()
  @Header('content-type', plainText)
  @Header('cache-control', 'no-cache')
  @ApiOperation({ operationId: 'readCheckpoint', summary: 'The newest signed checkpoint (c2sp.org/tlog-checkpoint)' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiProblems(404)
  async checkpoint(): Promise<string> {
    return (await this.#proofs.checkpoint()).note;
  }

  @Get('key')
  @Public()
  @Header('content-type', plainText)
  @ApiOperation({
    operationId: 'readLedgerKeys',
    summary: 'The keys checkpoints are signed with, one a line, that in use first',
    description: 'For convenience. Whoever distrusts this service takes them from elsewhere.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  key(): string {
    return this.#proofs
      .verifierTexts()
      .map((text) => `${text}\n`)
      .join('');
  }

  @Get('inclusion/:changeId')
  @Scopes('audit:read')
  @ApiBearerAuth()
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'proveInclusion', summary: 'That a change stands in the newest checkpoint’s tree' })
  @ApiOkResponse({ type: InclusionProofBody })
  @ApiProblems(400, 404, 409)
  inclusion(@Param('changeId') changeId: string, @Caller() { controller }: Caller): Promise<InclusionProof> {
    return this.#proofs.inclusion(controller, changeUuid(changeId));
  }

  @Get('consistency')
  @Scopes('audit:read')
  @ApiBearerAuth()
  @ApiOperation({
    operationId: 'proveConsistency',
    summary: 'That an earlier checkpoint’s tree is a beginning of a later',
  })
  @ApiOkResponse({ type: ConsistencyProofBody })
  @ApiProblems(400, 404, 422)
  consistency(@Query() { from, to }: ConsistencyQuery): Promise<ConsistencyProof> {
    return this.#proofs.consistency(from, to);
  }

  @Get('entries')
  @Scopes('audit:read')
  @ApiBearerAuth()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'readLedger',
    summary: 'The whole ledger as a text, for `entente ledger verify`',
    description:
      'Of other controllers’ entries only the commitments. Without its last line, `end`, it is worth nothing.',
  })
  @ApiProduces(ledgerMediaType)
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiProblems()
  entries(@Caller() { controller }: Caller): StreamableFile {
    return new StreamableFile(Readable.from(this.#proofs.ledger(controller), { objectMode: false }), {
      type: ledgerMediaType,
    });
  }
}
