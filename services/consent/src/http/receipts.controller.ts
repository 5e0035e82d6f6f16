import type { ReceiptJwks } from '@entente/contracts';
import { Caller, Public, Scopes } from '@entente/http';
import { Body, Controller, Get, Header, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Receipts } from '../receipts/receipts.ts';
import { changeUuid } from './change-id.ts';
import { ApiProblems } from './problems.ts';
import { AskVerdict, JwksBody, ReceiptBody, VerdictBody } from './receipts.dto.ts';

@ApiTags('receipts')
@Controller()
export class ReceiptsController {
  readonly #receipts: Receipts;

  constructor(receipts: Receipts) {
    this.#receipts = receipts;
  }

  @Get('v1/receipts/:changeId')
  @Scopes('consent:read')
  @ApiBearerAuth()
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'readReceipt',
    summary: 'The signed receipt of a change',
    description:
      'Of a change that took something away it is a termination receipt: it holds what became of it at each recipient ' +
      'so far, and says whether that is complete.',
  })
  @ApiOkResponse({ type: ReceiptBody })
  @ApiProblems(400, 404, 410, 501, 503)
  async read(@Param('changeId') changeId: string, @Caller() { controller }: Caller): Promise<ReceiptBody> {
    return { receipt: await this.#receipts.issue(controller, changeUuid(changeId)) };
  }

  @Post('v1/receipts/verify')
  @HttpCode(200)
  @Scopes('consent:read')
  @ApiBearerAuth()
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'verifyReceipt', summary: 'Whether a receipt is true, and what stands now' })
  @ApiOkResponse({ type: VerdictBody })
  @ApiProblems(400, 413, 415)
  async verify(@Body() { receipt }: AskVerdict, @Caller() { controller }: Caller): Promise<VerdictBody> {
    const { verdict, current } = await this.#receipts.judge(controller, receipt);
    return { ...verdict, ...(current === null ? {} : { current }) };
  }

  @Get('.well-known/jwks.json')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({ operationId: 'readReceiptKeys', summary: 'The keys receipts are and were signed with' })
  @ApiOkResponse({ type: JwksBody })
  keys(): ReceiptJwks {
    return this.#receipts.jwks;
  }
}
