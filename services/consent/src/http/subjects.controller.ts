import { audience, subjectId, subjectKey } from '@entente/contracts';
import { Caller, Scopes } from '@entente/http';
import { Body, Controller, Get, Header, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SubjectDirectory } from '../identifiers/subject-directory.ts';
import { ApiProblems } from './problems.ts';
import { AskSealed, FindSubjectKeys, FoundSubjectKeys, SealedBody, ShareKeyBody } from './subjects.dto.ts';

@ApiTags('subjects')
@ApiBearerAuth()
@Controller('v1')
export class SubjectsController {
  readonly #directory: SubjectDirectory;

  constructor(directory: SubjectDirectory) {
    this.#directory = directory;
  }

  @Post('subject-keys')
  @HttpCode(200)
  @Scopes('share:write', 'consent:read')
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
