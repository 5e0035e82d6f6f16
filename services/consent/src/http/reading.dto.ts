import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { IsInstant } from './shapes.ts';

const mostEntries = 200;

export class AtQuery {
  /** An instant of the past, for how things stood then. */
  @IsOptional()
  @IsInstant()
  at?: string;
}

export class HistoryQuery {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(mostEntries)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: mostEntries, default: 50 })
  limit?: number;

  /** From the answer before; opaque. */
  @IsOptional()
  @IsString()
  @Matches(/^[A-Za-z0-9_.-]{1,200}$/, { message: 'must be a cursor as answered before' })
  @ApiPropertyOptional({ type: String })
  cursor?: string;
}

export class PurposeChangeBody {
  @ApiProperty({ type: String })
  purpose!: string;

  @ApiProperty({ type: String, nullable: true })
  from!: string | null;

  @ApiProperty({ type: String })
  to!: string;

  @ApiProperty({ type: String, description: 'person, signal, import, expiry, catalogue, merge or erasure' })
  cause!: string;
}

export class ActorBody {
  @ApiProperty({ type: String })
  client!: string;

  @ApiProperty({ type: String })
  route!: string;

  @ApiPropertyOptional({ type: String, description: 'The kept signal that says so.' })
  signal?: string;

  @ApiPropertyOptional({ type: String, description: 'The import it stands in.' })
  import?: string;
}

export class HistoryEntryBody {
  @ApiProperty({ type: String, description: 'Also the id of its evidence.' })
  changeId!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  committedAt!: string;

  @ApiProperty({ enum: ['deny', 'grant'] })
  direction!: string;

  @ApiProperty({ type: [PurposeChangeBody] })
  changes!: readonly PurposeChangeBody[];

  @ApiProperty({ type: ActorBody })
  actor!: ActorBody;

  @ApiPropertyOptional({ type: String })
  method?: string;

  @ApiPropertyOptional({ type: String })
  channel?: string;
}

export class HistoryBody {
  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer', description: 'The newest version there is.' })
  version!: number;

  @ApiProperty({ type: [HistoryEntryBody], description: 'Newest first.' })
  entries!: readonly HistoryEntryBody[];

  @ApiPropertyOptional({ type: String, description: 'For the next page; absent on the last.' })
  next?: string;
}

export class ShownBody {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'The notice: id, version, contentHash, text.',
  })
  notice!: object;

  @ApiProperty({ type: String })
  locale!: string;

  @ApiProperty({ type: [Object], description: 'Each purpose as it was worded, with the recipients it named.' })
  purposes!: readonly object[];

  @ApiProperty({
    type: Boolean,
    description: 'The request said what was shown; else: the purposes it decided about, in English.',
  })
  told!: boolean;

  @ApiProperty({ type: String, description: 'SHA-256 of what was shown, as recorded with the decision.' })
  renderedHash!: string;

  @ApiProperty({ type: Boolean, description: 'What is rendered here has that hash.' })
  unaltered!: boolean;
}

export class EvidenceBody {
  @ApiProperty({ type: String })
  changeId!: string;

  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  committedAt!: string;

  @ApiProperty({ type: [PurposeChangeBody] })
  changes!: readonly PurposeChangeBody[];

  @ApiProperty({ type: ActorBody })
  actor!: ActorBody;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Legal basis of each purpose changed.',
  })
  bases?: object;

  @ApiPropertyOptional({ type: ShownBody })
  shown?: ShownBody;

  @ApiPropertyOptional({ type: String })
  method?: string;

  @ApiPropertyOptional({ type: String })
  channel?: string;

  @ApiPropertyOptional({ type: String })
  variant?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time' })
  clientTime?: string;

  @ApiPropertyOptional({
    oneOf: [
      { type: 'object', additionalProperties: true },
      { type: 'string', enum: ['destroyed'] },
    ],
    description:
      'Age, guardian or mandate as told, or `destroyed` after an erasure or when the time for proof was over.',
  })
  personal?: unknown;
}
