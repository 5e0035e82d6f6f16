import { consentModeKeys } from '@entente/contracts';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsString, Length, Matches, MaxLength, ValidateIf, ValidateNested } from 'class-validator';
import { signalKinds } from '../signals/statement.ts';
import type { SignalKind } from '../signals/statement.ts';
import { GatesBody, LinksBody } from './answers.dto.ts';
import { NoticeShown } from './consents.dto.ts';
import { IsSubjectId } from './shapes.ts';

const IfGiven = () => ValidateIf((_object: object, value: unknown) => value !== undefined);

/** Longer than any string of a CMP; what is too long for its kind is told by kind. */
const longestRaw = 65_536;

export class TakeSignal {
  @IsSubjectId()
  subjectId!: string;

  @IsIn(signalKinds)
  @ApiProperty({ enum: signalKinds })
  kind!: SignalKind;

  /** As it came: the TC or GPP string, the ATT status, the value of `Sec-GPC`. Absent with gpc: this request's own header. */
  @ValidateIf(({ kind, raw }: TakeSignal) => kind !== 'gpc' || raw !== undefined)
  @IsString({ message: 'must be the signal as it came' })
  @MaxLength(longestRaw)
  @ApiPropertyOptional({ type: String, maxLength: longestRaw })
  raw?: string;

  /** The device, site or app it comes from; what it says replaces what the same source said before. */
  @IfGiven()
  @IsString()
  @Length(1, 64)
  @Matches(/^[A-Za-z0-9._-]+$/, { message: 'must be letters, digits, dots, dashes and underscores' })
  @ApiPropertyOptional({ type: String, maxLength: 64, default: 'default' })
  source?: string;

  /** The notice under which a TC string was made; without one nothing is granted by it. */
  @IfGiven()
  @ValidateNested()
  @Type(() => NoticeShown)
  @ApiPropertyOptional({ type: NoticeShown })
  notice?: NoticeShown;
}

class SignalResultBody {
  @ApiProperty({ type: String })
  purpose!: string;

  @ApiProperty({ enum: ['denies', 'allows', 'nothing'] })
  says!: string;

  @ApiProperty({ type: String, description: 'Which part of the signal says it.', examples: ['usnat:SaleOptOut'] })
  because!: string;

  @ApiPropertyOptional({ type: [String], description: 'Recipients the signal excludes by name.' })
  refuses?: readonly string[];

  @ApiPropertyOptional({ type: String, description: 'What stands for the purpose after this signal.' })
  decision?: string;

  @ApiPropertyOptional({ type: String, description: 'Why what the signal permits is not granted by it.' })
  heldBack?: string;
}

class SignalChangeBody {
  @ApiProperty({ type: String })
  changeId!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  committedAt!: string;
}

export class TakenSignalBody {
  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiPropertyOptional({ type: String, description: 'The kept signal; absent when it said nothing.' })
  signalId?: string;

  @ApiProperty({ type: [SignalResultBody], description: 'One for each purpose the signal concerns.' })
  results!: readonly SignalResultBody[];

  @ApiProperty({ type: [String], description: 'Why nothing in the signal can permit anything.' })
  faults!: readonly string[];

  @ApiPropertyOptional({ type: SignalChangeBody, description: 'The change that stands behind the answer.' })
  change?: SignalChangeBody;

  @ApiPropertyOptional({ type: GatesBody })
  gates?: GatesBody;

  @ApiPropertyOptional({ type: LinksBody })
  links?: LinksBody;
}

class SeenBody {
  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({ type: 'integer', description: '0: nothing was ever recorded, and everything is denied.' })
  version!: number;
}

const grantedOrDenied = { enum: ['granted', 'denied'] } as const;

export class ConsentModeViewBody extends SeenBody {
  @ApiProperty({
    type: 'object',
    required: [...consentModeKeys],
    properties: Object.fromEntries(consentModeKeys.map((key) => [key, grantedOrDenied])),
  })
  consentMode!: object;
}

class ForwardedBody {
  @ApiProperty({ type: String, nullable: true, description: 'Byte for byte as it came, or null.' })
  string!: string | null;

  @ApiPropertyOptional({ type: String })
  source?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time' })
  receivedAt?: string;

  @ApiPropertyOptional({ enum: ['none-received', 'not-valid', 'permits-more-than-recorded'] })
  withheld?: string;
}

const flags = { type: 'object', additionalProperties: { type: 'boolean' } } as const;

export class TcfViewBody extends SeenBody {
  @ApiProperty({ type: ForwardedBody })
  tcString!: ForwardedBody;

  @ApiProperty({ ...flags, description: 'TCF purposes 1 to 11, as the record has them.' })
  purposes!: object;
}

export class GppViewBody extends SeenBody {
  @ApiProperty({ type: ForwardedBody })
  gppString!: ForwardedBody;

  @ApiProperty({ ...flags, description: 'Opt-outs as the record has them, by field of the US sections.' })
  optOuts!: object;
}

class StandingSignalBody {
  @ApiProperty({ enum: signalKinds })
  kind!: string;

  @ApiProperty({ type: String })
  source!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  receivedAt!: string;

  @ApiProperty({ type: [String] })
  denies!: readonly string[];
}

class HonouredBody {
  @ApiProperty({ type: String, format: 'date-time' })
  since!: string;
}

@ApiExtraModels(HonouredBody)
export class StandingSignalsBody extends SeenBody {
  @ApiProperty({ type: [StandingSignalBody] })
  signals!: readonly StandingSignalBody[];

  @ApiProperty({
    oneOf: [{ $ref: getSchemaPath(HonouredBody) }, { type: 'null' }],
    description: 'Global Privacy Control is honoured since then; null: no such signal, or a later choice stands.',
  })
  gpcHonoured!: HonouredBody | null;
}

export class GpcSupportBody {
  @ApiProperty({ type: Boolean })
  gpc!: true;

  @ApiProperty({ type: String, format: 'date' })
  lastUpdate!: string;
}
