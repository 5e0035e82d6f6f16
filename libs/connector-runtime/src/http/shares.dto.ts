import { identifierKinds, idPattern, type IdentifierKind } from '@entente/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsObject,
  IsOptional,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { RecipientPurposeDto } from './recipient-purpose.dto.ts';

/** Longest a caller may wait for the end of its shares. */
const maxWaitMs = 30_000;
const defaultWaitMs = 5_000;

export class ShareDto extends RecipientPurposeDto {
  @ApiProperty({ description: 'Your own id of the person.' })
  @Matches(new RegExp(idPattern.subjectId))
  subjectId!: string;

  @ApiPropertyOptional({
    description: 'Identifiers by kind, only kinds the recipient declares; absent = those we know.',
    type: 'object',
    additionalProperties: { type: 'string' },
    propertyNames: { enum: [...identifierKinds] },
  } as object)
  @IsOptional()
  @IsObject()
  identifiers?: Partial<Record<IdentifierKind, string>>;

  @ApiProperty({
    description: 'What to send; fields the purpose does not list are removed.',
    type: 'object',
    additionalProperties: true,
  })
  @IsObject()
  fields!: Record<string, unknown>;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    description: 'Version a grant answered with: a gate that is older waits.',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  atLeastVersion?: number;
}

export class SharesDto {
  @ApiProperty({ type: [ShareDto] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(500)
  @ValidateNested({ each: true })
  @Type(() => ShareDto)
  shares!: ShareDto[];

  @ApiPropertyOptional({
    type: 'integer',
    default: defaultWaitMs,
    minimum: 0,
    maximum: maxWaitMs,
    description: 'How long the answer may wait for the shares to end.',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(maxWaitMs)
  waitMs: number = defaultWaitMs;
}

export class ShareResultDto {
  @ApiProperty({ type: 'integer' })
  index!: number;

  @ApiProperty({ enum: ['sent', 'denied', 'held', 'failed'] })
  outcome!: 'sent' | 'denied' | 'held' | 'failed';

  @ApiPropertyOptional()
  reason?: string;

  @ApiPropertyOptional({ type: 'integer', description: 'Fields removed because the purpose does not list them.' })
  stripped?: number;
}

export class SharesAnswerDto {
  @ApiProperty({ type: [ShareResultDto] })
  results!: ShareResultDto[];
}
