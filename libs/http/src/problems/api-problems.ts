import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiResponse, getSchemaPath } from '@nestjs/swagger';

/** What every problem says (RFC 9457), for descriptions of an API; a service whose problems say more extends it. */
export class ProblemBody {
  @ApiProperty({ type: String, examples: ['urn:entente:problem:invalid-request'] })
  type!: string;

  @ApiProperty({ type: String })
  title!: string;

  @ApiProperty({ type: 'integer' })
  status!: number;

  @ApiProperty({ type: String })
  detail!: string;

  @ApiProperty({ type: String })
  instance!: string;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'object', properties: { pointer: { type: 'string' }, detail: { type: 'string' } } },
  })
  errors?: readonly object[];
}

/** Documents the problems a route may answer with; without a token's or a scope's no route of a service is. */
export const problemsAs =
  (body: Type<ProblemBody>) =>
  (...statuses: readonly number[]): MethodDecorator =>
    applyDecorators(
      ApiExtraModels(body),
      ...[...statuses, 401, 403].map((status) =>
        ApiResponse({
          status,
          description: 'Problem details',
          content: { 'application/problem+json': { schema: { $ref: getSchemaPath(body) } } },
        }),
      ),
    );

export const ApiProblems = problemsAs(ProblemBody);
