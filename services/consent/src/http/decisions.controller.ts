import { purposeId, recipientId, subjectId, subjectKey } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SubjectDirectory } from '../identifiers/subject-directory.ts';
import { DecisionPoint } from '../reading/decision-point.ts';
import type { DecisionAsked } from '../reading/decision-point.ts';
import { CheckDecisions, CheckedDecisionsBody } from './decisions.dto.ts';
import type { OneCheck } from './decisions.dto.ts';
import { ApiProblems } from './problems.ts';

@ApiTags('decisions')
@ApiBearerAuth()
@Controller('v1')
export class DecisionsController {
  readonly #point: DecisionPoint;
  readonly #directory: SubjectDirectory;

  constructor(point: DecisionPoint, directory: SubjectDirectory) {
    this.#point = point;
    this.#directory = directory;
  }

  /** Two colons, because one begins a parameter; the path has one. */
  @Post('decisions::check')
  @HttpCode(200)
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    operationId: 'checkDecisions',
    summary: 'May this leave now? For enforcement points that are no connectors',
    description:
      'Answered from a gate replica. An allow may be relied on for maxAgeMs, counted from the sending of the question, and ' +
      'never past validUntil; then ask again. What wait=gates promises does not reach an answer handed out before.',
  })
  @ApiOkResponse({ type: CheckedDecisionsBody })
  @ApiProblems(400, 404, 413, 415)
  check(@Body() { checks }: CheckDecisions, @Caller() { controller }: Caller): CheckedDecisionsBody {
    const results = this.#point.decide(
      controller,
      checks.map((one) => this.#asked(controller, one)),
    );
    if (results === null)
      throw new Refusal('no-decision-point', 404, 'This process answers no decisions for this controller (DECISIONS).');
    return { results };
  }

  #asked(controller: Caller['controller'], check: OneCheck): DecisionAsked {
    const { purpose, recipient, atLeastVersion } = check;
    return {
      candidates: this.#candidates(controller, check),
      purpose: purposeId(purpose),
      recipient: recipientId(recipient),
      ...(atLeastVersion === undefined ? {} : { atLeastVersion }),
    };
  }

  #candidates(controller: Caller['controller'], check: OneCheck): DecisionAsked['candidates'] {
    if (check.subjectKey !== undefined) return [subjectKey(check.subjectKey)];
    return this.#directory.candidates(controller, subjectId(check.subjectId ?? ''));
  }
}
