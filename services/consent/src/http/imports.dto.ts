import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { idPattern } from '@entente/contracts';
import { formats } from '../import/formats/index.ts';
import type { Format } from '../import/formats/index.ts';

/** How the file is to be read; kept with the import from its beginning. */
export class ImportQuery {
  @IsOptional()
  @IsIn(formats)
  @ApiPropertyOptional({ enum: formats, description: 'Default: by content type, text/csv or application/x-ndjson.' })
  format?: Format;

  @IsOptional()
  @Matches(new RegExp(idPattern.noticeRef, 'u'), {
    message: 'must be a notice and its version, like privacy-choices@1',
  })
  @ApiPropertyOptional({ type: String, description: 'The notice of rows that name none: `id@version`.' })
  notice?: string;

  @IsOptional()
  @IsIn(['true', 'false'])
  @ApiPropertyOptional({ enum: ['true', 'false'], description: 'Judges every row and changes nothing.' })
  dryRun?: 'true' | 'false';

  @IsOptional()
  @IsString()
  @ApiPropertyOptional({
    type: String,
    description: 'Our purposes by the names of the file, as a JSON object: {"Newsletter":"email-marketing"}',
  })
  purposes?: string;
}

class ImportPosition {
  @ApiProperty({ type: 'integer', description: 'Where in the file to go on, in bytes.' })
  bytes!: number;

  @ApiProperty({ type: 'integer', description: 'Lines before that place, the first line and empty ones too.' })
  lines!: number;

  @ApiPropertyOptional({ type: 'integer', description: 'Bytes of the whole file, where they are known.' })
  total?: number;
}

class ImportLinks {
  @ApiProperty({ type: String })
  self!: string;

  @ApiProperty({ type: String })
  rejects!: string;
}

export class ImportBody {
  @ApiProperty({ type: String, pattern: `^imp_${idPattern.uuid.slice(1)}` })
  id!: string;

  @ApiProperty({ enum: ['open', 'done'] })
  state!: 'open' | 'done';

  @ApiProperty({ enum: formats })
  format!: Format;

  @ApiProperty()
  dryRun!: boolean;

  @ApiProperty({ type: ImportPosition })
  position!: ImportPosition;

  @ApiProperty({ type: 'integer' })
  rows!: number;

  @ApiProperty({ type: 'integer', description: 'Rows that changed something; of a dry run: that would.' })
  recorded!: number;

  @ApiProperty({ type: 'integer', description: 'Rows that say what stands already.' })
  unchanged!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Of those recorded or unchanged: rows of which something was not taken.',
  })
  partly!: number;

  @ApiProperty({ type: 'integer' })
  rejected!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  startedAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt!: string;

  @ApiProperty({ type: ImportLinks })
  links!: ImportLinks;
}
