import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Headers, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { GateWaiter } from '../gates/wait-for-gates.ts';
import type { Rejection } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import { Recorder } from '../ledger/recorder.ts';
import { RecordedBody } from './answers.dto.ts';
import { SaveConsents, WaitQuery, Withdraw } from './consents.dto.ts';
import { PropagationLinks } from './propagation-links.ts';
import { ApiProblems } from './problems.ts';
import { CommandMapper } from './to-command.ts';
import type { RequestHeaders } from './to-command.ts';

@ApiTags('consents')
@ApiBearerAuth()
@Controller('v1')
export class ConsentsController {
  readonly #mapper: CommandMapper;
  readonly #recorder: Recorder;
  readonly #gates: GateWaiter;
  readonly #links: PropagationLinks;

  constructor(mapper: CommandMapper, recorder: Recorder, gates: GateWaiter, links: PropagationLinks) {
    this.#mapper = mapper;
    this.#recorder = recorder;
    this.#gates = gates;
    this.#links = links;
  }

  @Post('consents')
  @HttpCode(200)
  @Scopes('consent:grant', 'consent:withdraw')
  @ApiOperation({
    operationId: 'saveConsents',
    summary: 'Record one decision for each purpose',
    description:
      'What denies is always recorded. What grants needs the scope consent:grant, an Idempotency-Key and, where it is ' +
      'sent, a matching If-Match; when that stops it and the request also denies, the answer is 200 with `refused`.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Required to grant; remembered for 48 hours.' })
  @ApiHeader({ name: 'If-Match', required: false, description: 'The version tag the person’s screen was made from.' })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 409, 412, 413, 415, 422, 503)
  save(
    @Body() body: SaveConsents,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#record(this.#mapper.save(body, caller, headers), wait, reply);
  }

  @Post('withdrawals')
  @HttpCode(200)
  @Scopes('consent:withdraw')
  @ApiOperation({
    operationId: 'withdraw',
    summary: 'Withdraw consent for some purposes, or for everything',
    description: 'Never refused for a precondition; repeating it is harmless.',
  })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 413, 415, 422, 503)
  withdraw(
    @Body() body: Withdraw,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#record(this.#mapper.withdrawal(body, caller, headers), wait, reply);
  }

  async #record(command: Command, wait: WaitQuery['wait'], reply: FastifyReply): Promise<RecordedBody> {
    const recorded = await this.#recorder.record(command);
    if (recorded.kind === 'rejected') throw refusalOf(recorded.rejection);
    const { answer, committed } = recorded;
    const gates =
      wait === 'gates'
        ? { gates: await this.#gates.wait(command.controller, answer.subjectKey, answer.version, committed) }
        : {};
    void reply.headers({ etag: `"${answer.version}"`, 'cache-control': 'no-store' });
    return { ...answer, ...gates, links: this.#links.of(answer.changeId) };
  }
}

function refusalOf({ code, status, detail, errors }: Rejection): Refusal {
  const headers =
    status === 403
      ? { headers: { 'www-authenticate': 'Bearer realm="entente", error="insufficient_scope", scope="consent:grant"' } }
      : {};
  return new Refusal(code, status, detail, { ...headers, ...(errors === undefined ? {} : { errors }) });
}
