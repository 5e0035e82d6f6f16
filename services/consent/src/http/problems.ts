import { applyDecorators } from '@nestjs/common';
import { ApiResponse, getSchemaPath, ApiExtraModels } from '@nestjs/swagger';
import { ProblemBody } from './answers.dto.ts';

/** Documents the problems (RFC 9457) a route may answer with. */
export const ApiProblems = (...statuses: readonly number[]) =>
  applyDecorators(
    ApiExtraModels(ProblemBody),
    ...[...statuses, 401, 403].map((status) =>
      ApiResponse({
        status,
        description: 'Problem details',
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemBody) } } },
      }),
    ),
  );
