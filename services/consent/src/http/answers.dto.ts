import { decisions } from '@entente/contracts';
import { ProblemBody as GeneralProblemBody } from '@entente/http';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** What the recording routes answer. */
export class DecidedPurposeBody {
  @ApiProperty({ type: String })
  purpose!: string;

  @ApiProperty({ enum: decisions })
  decision!: string;
}

export class RefusedGrantBody {
  @ApiProperty({ type: String })
  purpose!: string;

  /** Stable word, the same as the `type` of the problem a granting request alone would have got. */
  @ApiProperty({ type: String })
  code!: string;

  @ApiProperty({ type: String })
  detail!: string;
}

export class GatesBody {
  @ApiProperty({ type: 'integer', description: 'Gates that confirmed the change.' })
  confirmed!: number;

  @ApiProperty({ type: 'integer', description: 'Gates whose leases have run out instead.' })
  expired!: number;

  @ApiProperty({ type: 'integer' })
  waitedMs!: number;
}

export class LinksBody {
  @ApiProperty({ type: String, format: 'uri', description: 'Where this change has arrived.' })
  propagation!: string;
}

export class LinkedChangeBody {
  @ApiProperty({ type: String })
  changeId!: string;

  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;
}

export class RecordedBody {
  @ApiProperty({ type: String, description: 'The change that stands behind this answer.' })
  changeId!: string;

  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ type: String, format: 'date-time', description: 'Database time of the commit, in microseconds.' })
  committedAt!: string;

  @ApiProperty({ type: [DecidedPurposeBody] })
  decisions!: readonly DecidedPurposeBody[];

  @ApiProperty({ type: [String], description: 'Purposes named that this controller does not know.' })
  ignored!: readonly string[];

  @ApiPropertyOptional({ type: Boolean, description: 'Everything named was denied before; nothing new was recorded.' })
  alreadyDenied?: true;

  @ApiPropertyOptional({
    type: Boolean,
    description:
      'A denial, or one said again, for an id that nobody was known by: recorded all the same, but the id may be mistyped.',
  })
  firstSeen?: true;

  @ApiPropertyOptional({
    type: [RefusedGrantBody],
    description: 'The granting part of this request, which was not recorded although the denying part was.',
  })
  refused?: readonly RefusedGrantBody[];

  @ApiPropertyOptional({
    type: () => [LinkedChangeBody],
    description: 'Other ids of the same person that changed too.',
  })
  linked?: readonly LinkedChangeBody[];

  @ApiPropertyOptional({ type: GatesBody })
  gates?: GatesBody;

  @ApiProperty({ type: LinksBody })
  links!: LinksBody;
}

export class PurposeConsentBody {
  @ApiProperty({ type: String })
  purpose!: string;

  @ApiProperty({ enum: decisions })
  decision!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  since!: string;

  @ApiPropertyOptional({ type: String, description: 'Notice and version, `id@version`.' })
  notice?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time' })
  validUntil?: string;

  @ApiPropertyOptional({ type: [String] })
  refusedRecipients?: readonly string[];

  @ApiPropertyOptional({ type: Boolean, description: 'Granted under another id of the person; ends with the link.' })
  lent?: true;

  @ApiProperty({
    type: Boolean,
    description: 'Granted, not run out, the purpose is active, and the notice accepted is not outdated.',
  })
  effective!: boolean;

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'After a no: not asked again before.' })
  reaskNotBefore?: string;
}

export class SubjectConsentsBody {
  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Erased then, and not come back since.' })
  erasedAt?: string;

  @ApiProperty({ type: [PurposeConsentBody] })
  purposes!: readonly PurposeConsentBody[];
}

export class ProblemBody extends GeneralProblemBody {
  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: 'With 410: when what was asked for was erased.',
  })
  erasedAt?: string;
}
