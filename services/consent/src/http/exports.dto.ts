import { idPattern } from '@entente/contracts';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';

export class ExportQuery {
  @IsOptional()
  @Matches(new RegExp(idPattern.subjectKey), { message: 'must be the subjectKey of a line' })
  @ApiPropertyOptional({ type: String, pattern: idPattern.subjectKey, description: 'Begin after this person.' })
  after?: string;

  @IsOptional()
  @Matches(/^[1-9]\d{0,6}$/, { message: 'must be a number of people, at most 9999999' })
  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Most people; all by default.' })
  limit?: string;

  @IsOptional()
  @IsIn(['true', 'false'])
  @ApiPropertyOptional({ enum: ['true', 'false'], description: 'With e-mail addresses and telephone numbers.' })
  identifiers?: 'true' | 'false';
}
