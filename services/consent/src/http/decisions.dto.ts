import { idPattern } from '@entente/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsInt,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsName, IsSubjectId } from './shapes.ts';

const mostQuestions = 500;

export class OneCheck {
  @ValidateIf(({ subjectKey }: OneCheck) => subjectKey === undefined)
  @IsSubjectId()
  subjectId?: string;

  /** In the place of `subjectId`. */
  @ValidateIf(({ subjectId }: OneCheck) => subjectId === undefined)
  @Matches(new RegExp(idPattern.subjectKey), { message: 'must be a subject key, where subjectId is not given' })
  @ApiPropertyOptional({ type: String, pattern: idPattern.subjectKey })
  subjectKey?: string;

  @IsName()
  purpose!: string;

  @IsName()
  recipient!: string;

  /** A version that was answered: a replica below it answers stale. */
  @ValidateIf((_object: object, value: unknown) => value !== undefined)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  atLeastVersion?: number;
}

export class CheckDecisions {
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(mostQuestions)
  @ValidateNested({ each: true })
  @Type(() => OneCheck)
  @ApiProperty({ type: [OneCheck], minItems: 1, maxItems: mostQuestions })
  checks!: OneCheck[];
}

export class CheckedBody {
  @ApiProperty({
    enum: ['allow', 'deny', 'stale'],
    description: 'stale: it cannot be known now; send nothing, ask again.',
  })
  decision!: string;

  @ApiPropertyOptional({ type: String, description: 'Why not; a closed list.' })
  reason?: string;

  @ApiPropertyOptional({
    type: 'integer',
    description: 'Of the person’s state that says so; absent where nobody is known, and with stale.',
  })
  version?: number;

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'When the grant ends by itself.' })
  validUntil?: string;

  @ApiPropertyOptional({
    type: 'integer',
    description: 'Milliseconds an allow may be relied on, counted from the sending of the question.',
  })
  maxAgeMs?: number;
}

export class CheckedDecisionsBody {
  @ApiProperty({ type: [CheckedBody], description: 'In the order of the questions.' })
  results!: readonly CheckedBody[];
}
