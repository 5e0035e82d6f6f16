import { identifierKinds, idPattern, type IdentifierKind } from '@entente/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  Equals,
  IsArray,
  IsInt,
  IsObject,
  IsOptional,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { longestWindowMs } from '../store/exposure-register.ts';
import { RecipientPurposeDto } from './recipient-purpose.dto.ts';

/** Usual time for which one registration covers what may be on its way, ms: twice an attempt's usual length. */
const usualWindowMs = 30_000;

export class EmbeddedExposureDto extends RecipientPurposeDto {
  @ApiProperty({ description: 'The person’s pseudonym, as your gate is asked with it.' })
  @Matches(new RegExp(idPattern.subjectKey))
  subjectKey!: string;

  @ApiProperty({
    description: 'Exactly the identifiers that will be sent, by kind; only kinds the recipient declares.',
    type: 'object',
    additionalProperties: { type: 'string' },
    propertyNames: { enum: [...identifierKinds] },
  } as object)
  @IsObject()
  identifiers!: Partial<Record<IdentifierKind, string>>;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Version at which your gate allowed it.' })
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  version!: number;

  @ApiPropertyOptional({
    enum: [true],
    description: 'You were answered `resume`, and have lifted the recipient’s stop of this person’s purpose.',
  })
  @IsOptional()
  @Equals(true)
  resumed?: true;
}

export class EmbeddedExposuresDto {
  @ApiProperty({ type: [EmbeddedExposureDto], minItems: 1, maxItems: 500 })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(500)
  @ValidateNested({ each: true })
  @Type(() => EmbeddedExposureDto)
  exposures!: EmbeddedExposureDto[];

  @ApiPropertyOptional({
    type: 'integer',
    default: usualWindowMs,
    minimum: 1_000,
    maximum: longestWindowMs,
    description:
      'Milliseconds, from the sending of this request, after which nothing of it is on its way any more. No revocation settles before.',
  })
  @IsOptional()
  @IsInt()
  @Min(1_000)
  @Max(longestWindowMs)
  windowMs: number = usualWindowMs;
}

export class EmbeddedExposureResultDto {
  @ApiProperty({ type: 'integer' })
  index!: number;

  @ApiProperty({
    enum: ['recorded', 'denied', 'held', 'unknown-subject'],
    description:
      'recorded: send it within windowMs. denied: a newer decision forbids it; drop it. held: a revocation is under way, or nobody can tell now whether the person is known; ask again later. unknown-subject: nobody knows a person by this key; nothing was registered.',
  })
  outcome!: 'recorded' | 'denied' | 'held' | 'unknown-subject';

  @ApiPropertyOptional({
    description:
      'With held: the recipient was told to stop this purpose and has not been told to resume. Lift that within windowMs, then ask again with `resumed: true`.',
  })
  resume?: boolean;
}

export class EmbeddedExposuresAnswerDto {
  @ApiProperty({ type: [EmbeddedExposureResultDto], description: 'In the order of the request.' })
  results!: EmbeddedExposureResultDto[];
}
