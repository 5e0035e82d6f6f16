import { audience, subjectId, subjectKey } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Get, Header, Headers, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { SubjectDirectory } from '../identifiers/subject-directory.ts';
import { ConsentReader } from '../ledger/consent-reader.ts';
import type { SubjectConsents } from '../ledger/consent-reader.ts';
import { SubjectConsentsBody } from './answers.dto.ts';
import { ApiProblems } from './problems.ts';
import { isSubjectId } from './shapes.ts';
import { AskSealed, FindSubjectKeys, FoundSubjectKeys, SealedBody, ShareKeyBody } from './subjects.dto.ts';

@ApiTags('subjects')
@ApiBearerAuth()
@Controller('v1')
export class SubjectsController {
  readonly #reader: ConsentReader;
  readonly #directory: SubjectDirectory;

  constructor(reader: ConsentReader, directory: SubjectDirectory) {
    this.#reader = reader;
    this.#directory = directory;
  }

  @Get('subjects/:subjectId/consents')
  @Scopes('consent:read')
  @ApiOperation({ operationId: 'readConsents', summary: 'What one person has decided' })
  @ApiOkResponse({ type: SubjectConsentsBody })
  @ApiProblems(400, 404)
  async read(
    @Param('subjectId') id: string,
    @Headers('if-none-match') held: string | undefined,
    @Caller() { controller }: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SubjectConsents | undefined> {
    if (!isSubjectId(id)) throw new Refusal('bad-subject-id', 400, 'The path does not hold a subject id.');
    const consents = await this.#reader.read(controller, this.#directory.candidates(controller, subjectId(id)));
    if (consents === null) throw new Refusal('unknown-subject', 404, 'Nothing was ever recorded for this person.');
    const etag = `"${consents.version}"`;
    void reply.headers({ etag, 'cache-control': 'no-store' });
    if (held?.split(',').some((tag) => tag.trim() === etag)) {
      void reply.code(304);
      return undefined;
    }
    return consents;
  }

  @Post('subject-keys')
  @HttpCode(200)
  @Scopes('share:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'findSubjectKeys', summary: 'Pseudonyms for the controller’s own ids' })
  @ApiOkResponse({ type: FoundSubjectKeys })
  @ApiProblems(400, 413, 415)
  async keys(@Body() { subjectIds }: FindSubjectKeys, @Caller() { controller }: Caller): Promise<FoundSubjectKeys> {
    return { subjects: await this.#directory.keysOf(controller, subjectIds.map(subjectId)) };
  }

  @Post('sealed')
  @HttpCode(200)
  @Scopes('share:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'askSealed', summary: 'Identifiers, encrypted for one audience' })
  @ApiOkResponse({ type: SealedBody })
  @ApiProblems(400, 404, 413, 415)
  async sealed(@Body() body: AskSealed, @Caller() { controller }: Caller): Promise<SealedBody> {
    const keys = body.subjectKeys.map(subjectKey);
    return { sealed: await this.#directory.sealedFor(controller, audience(body.audience), keys) };
  }

  @Get('audiences/:audience/share-key')
  @Scopes('share:write')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'readShareKey', summary: 'What a producer encrypts shares with' })
  @ApiOkResponse({ type: ShareKeyBody })
  @ApiProblems(404)
  shareKey(@Param('audience') name: string): ShareKeyBody {
    return this.#directory.shareKey(audience(name));
  }
}
