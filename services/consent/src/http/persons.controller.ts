import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Delete, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RecordedBody } from './answers.dto.ts';
import { WaitQuery } from './consents.dto.ts';
import { LinkSubject } from './persons.dto.ts';
import { ApiProblems } from './problems.ts';
import { Recording } from './recording.ts';
import { isSubjectId } from './shapes.ts';
import { CommandMapper } from './to-command.ts';
import type { RequestHeaders } from './to-command.ts';

/** What happens to a person's record beside decisions: their keys are linked and parted, and it is erased. */
@ApiTags('persons')
@ApiBearerAuth()
@Controller('v1/subjects/:subjectId')
export class PersonsController {
  readonly #mapper: CommandMapper;
  readonly #recording: Recording;

  constructor(mapper: CommandMapper, recording: Recording) {
    this.#mapper = mapper;
    this.#recording = recording;
  }

  @Post('links')
  @HttpCode(200)
  @Scopes('consent:grant')
  @ApiOperation({
    operationId: 'linkSubjects',
    summary: 'Say that another id is the same person',
    description:
      'Both get the merged decisions under their own key and version: a refusal on either side wins until a new explicit ' +
      'grant, and of two grants what both allow is left. From then on whatever is denied under one is denied under all.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: true, description: 'Remembered for 48 hours.' })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 409, 413, 415, 422, 503)
  link(
    @Param('subjectId') id: string,
    @Body() body: LinkSubject,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    const command = this.#mapper.merge(subjectIdOf(id), body.subjectId, caller, headers);
    return this.#recording.record(command, wait, reply);
  }

  @Delete('links/:otherId')
  @Scopes('consent:grant', 'consent:withdraw')
  @ApiOperation({
    operationId: 'partSubjects',
    summary: 'Say that another id is not this person after all',
    description:
      'Allows nothing that was not allowed before: what the link took away stays away, and what was granted under one id ' +
      'only ends under the others.',
  })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 404, 503)
  part(
    @Param('subjectId') id: string,
    @Param('otherId') otherId: string,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    const command = this.#mapper.split(subjectIdOf(id), subjectIdOf(otherId), caller, headers);
    return this.#recording.record(command, wait, reply);
  }

  @Post('erasure')
  @HttpCode(200)
  @Scopes('consent:withdraw')
  @ApiOperation({
    operationId: 'eraseSubject',
    summary: 'Erase a person (GDPR 17)',
    description:
      'Takes no body. Everything is denied under every id of the person, their identifiers and what was kept of them as ' +
      'evidence are destroyed, and every recipient is told to erase. An import cannot bring them back; their own new ' +
      'explicit grant can. Never refused for a precondition; repeating it is harmless.',
  })
  @ApiOkResponse({ type: RecordedBody })
  @ApiProblems(400, 503)
  erase(
    @Param('subjectId') id: string,
    @Query() { wait }: WaitQuery,
    @Headers() headers: RequestHeaders,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordedBody> {
    return this.#recording.record(this.#mapper.erasure(subjectIdOf(id), caller, headers), wait, reply);
  }
}

function subjectIdOf(text: string): string {
  if (!isSubjectId(text)) throw new Refusal('bad-subject-id', 400, 'The path does not hold a subject id.');
  return text;
}
