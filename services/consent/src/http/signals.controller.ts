import { noticeRef, subjectId } from '@entente/contracts';
import type { SubjectId } from '@entente/contracts';
import { Caller, Public, Refusal, Scopes } from '@entente/http';
import { acceptedTraceparent } from '@entente/observability';
import { Body, Controller, Get, Header, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SignalIntake } from '../signals/signal-intake.ts';
import type { SignalAnswer } from '../signals/signal-intake.ts';
import { SignalViews } from '../signals/signal-views.ts';
import { WaitQuery } from './consents.dto.ts';
import { ApiProblems } from './problems.ts';
import { Recording } from './recording.ts';
import { isSubjectId } from './shapes.ts';
import {
  ConsentModeViewBody,
  GpcSupportBody,
  GppViewBody,
  StandingSignalsBody,
  TakeSignal,
  TakenSignalBody,
  TcfViewBody,
} from './signals.dto.ts';

/** The day on which what this service does with Global Privacy Control last changed. */
const gpcSupport = { gpc: true, lastUpdate: '2026-11-22' } as const;

@ApiTags('signals')
@ApiBearerAuth()
@Controller()
export class SignalsController {
  readonly #intake: SignalIntake;
  readonly #views: SignalViews;
  readonly #recording: Recording;

  constructor(intake: SignalIntake, views: SignalViews, recording: Recording) {
    this.#intake = intake;
    this.#views = views;
    this.#recording = recording;
  }

  @Post('v1/signals')
  @HttpCode(200)
  @Scopes('consent:grant', 'consent:withdraw')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'takeSignal',
    summary: 'Take in a privacy signal',
    description:
      'What a signal denies is recorded at once. What a TC string allows is granted only with the scope consent:grant, ' +
      'under the notice named, and where neither a refusal that is not older nor another signal stands against it.',
  })
  @ApiHeader({ name: 'Sec-GPC', required: false, description: 'The signal itself, with kind gpc and no `raw`.' })
  @ApiOkResponse({ type: TakenSignalBody })
  @ApiProblems(400, 413, 415, 422, 503)
  async take(
    @Body() body: TakeSignal,
    @Query() { wait }: WaitQuery,
    @Headers() headers: Readonly<Record<string, string | string[] | undefined>>,
    @Caller() caller: Caller,
  ): Promise<TakenSignalBody> {
    const traceparent = acceptedTraceparent(headers['traceparent']);
    const answer = await this.#intake.receive({
      controller: caller.controller,
      subjectId: subjectId(body.subjectId),
      kind: body.kind,
      source: body.source ?? 'default',
      raw: body.raw ?? [headers['sec-gpc'] ?? []].flat().join(','),
      mayGrant: caller.scopes.includes('consent:grant'),
      client: caller.clientId,
      ...(body.notice === undefined ? {} : { notice: noticeRef(body.notice.id, body.notice.version) }),
      ...(traceparent === undefined ? {} : { traceparent }),
    });
    return this.#answered(answer, caller, wait);
  }

  @Get('v1/subjects/:subjectId/signals')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'readSignals', summary: 'The newest signal of each kind and source' })
  @ApiOkResponse({ type: StandingSignalsBody })
  @ApiProblems(400)
  standing(@Param('subjectId') id: string, @Caller() { controller }: Caller): Promise<StandingSignalsBody> {
    return this.#views.standing(controller, checkedSubject(id));
  }

  @Get('v1/subjects/:subjectId/views/consent-mode')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'viewConsentMode', summary: 'The record as Google Consent Mode v2' })
  @ApiOkResponse({ type: ConsentModeViewBody })
  @ApiProblems(400)
  consentMode(@Param('subjectId') id: string, @Caller() { controller }: Caller): Promise<ConsentModeViewBody> {
    return this.#views.consentMode(controller, checkedSubject(id));
  }

  @Get('v1/subjects/:subjectId/views/tcf')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'viewTcf', summary: 'The TC string to pass on, and the record by TCF purpose' })
  @ApiOkResponse({ type: TcfViewBody })
  @ApiProblems(400)
  tcf(@Param('subjectId') id: string, @Caller() { controller }: Caller): Promise<TcfViewBody> {
    return this.#views.tcf(controller, checkedSubject(id));
  }

  @Get('v1/subjects/:subjectId/views/gpp')
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'viewGpp', summary: 'The GPP string to pass on, and the record by opt-out' })
  @ApiOkResponse({ type: GppViewBody })
  @ApiProblems(400)
  gpp(@Param('subjectId') id: string, @Caller() { controller }: Caller): Promise<GppViewBody> {
    return this.#views.gpp(controller, checkedSubject(id));
  }

  @Get('.well-known/gpc.json')
  @Public()
  @ApiOperation({
    operationId: 'readGpcSupport',
    summary: 'That Global Privacy Control is honoured here',
    security: [],
  })
  @ApiOkResponse({ type: GpcSupportBody })
  gpcSupport(): GpcSupportBody {
    return gpcSupport;
  }

  async #answered(
    { committed, change, ...answer }: SignalAnswer,
    { controller }: Caller,
    wait: WaitQuery['wait'],
  ): Promise<TakenSignalBody> {
    if (change === undefined) return answer;
    const { changeId, version, committedAt } = change;
    const gates = wait === 'gates' ? { gates: await this.#recording.confirmed(controller, change, committed) } : {};
    const links = this.#recording.linksOf(changeId);
    return { ...answer, ...gates, change: { changeId, version, committedAt }, links };
  }
}

function checkedSubject(id: string): SubjectId {
  if (!isSubjectId(id)) throw new Refusal('bad-subject-id', 400, 'The path does not hold a subject id.');
  return subjectId(id);
}
