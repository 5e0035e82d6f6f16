import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

const mostEntries = 200;

export class AdminLogQuery {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(mostEntries)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: mostEntries, default: 50 })
  limit?: number;

  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    description: 'Entries below this number: `next` of the page before.',
  })
  below?: number;
}

export class AdminEntryBody {
  @ApiProperty({ type: 'integer', minimum: 1 })
  number!: number;

  @ApiProperty({
    type: String,
    description:
      'log-began, catalogue-changed, contents-erased, keys-in-use, restored, incarnation-raised, rights-granted, import-begun, export-begun or export-continued; more may come.',
  })
  act!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  at!: string;

  @ApiProperty({ type: String, description: 'The database’s role that did it.' })
  role!: string;

  @ApiProperty({ type: 'object', additionalProperties: true })
  details!: object;

  @ApiProperty({ type: String, pattern: '^[0-9a-f]{64}$', description: 'The chain’s link at this number.' })
  hash!: string;
}

export class AdminLogBody {
  @ApiProperty({ type: [AdminEntryBody], description: 'Newest first.' })
  entries!: AdminEntryBody[];

  @ApiPropertyOptional({ type: 'integer', description: 'For `below` of the next page; absent on the last.' })
  next?: number;
}
