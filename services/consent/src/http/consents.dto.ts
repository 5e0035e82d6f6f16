import { idPattern } from '@entente/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { locales, methods } from '../ledger/evidence.ts';
import { IsInstant, IsMailbox, IsName, IsPhone, IsSubjectId } from './shapes.ts';

/** Most purposes one request may name. */
const mostPurposes = 200;
/** Names longer than this cannot be purposes of a catalogue; shorter unknown ones are ignored when denying (REC-3). */
const longestName = 128;

/** Absent is fine; null is not a value this API knows. */
const IfGiven = () => ValidateIf((_object: object, value: unknown) => value !== undefined);

export class NoticeShown {
  @IsName()
  id!: string;

  @IsInt()
  @Min(1)
  @Max(999_999_999)
  @ApiProperty({ type: 'integer', minimum: 1, maximum: 999_999_999 })
  version!: number;
}

export class OneDecision {
  @IsString()
  @Length(1, longestName)
  @ApiProperty({ type: String, maxLength: longestName })
  purpose!: string;

  @IsIn(['granted', 'denied', 'objected'])
  @ApiProperty({ enum: ['granted', 'denied', 'objected'] })
  decision!: 'granted' | 'denied' | 'objected';

  /** When the grant ends by itself; at most ten years ahead. */
  @IfGiven()
  @IsInstant()
  validUntil?: string;

  /** Recipients this person excludes although the purpose is granted. */
  @IfGiven()
  @IsArray()
  @ArrayMaxSize(100)
  @Matches(new RegExp(idPattern.name), { each: true, message: 'must be names of recipients' })
  @ApiPropertyOptional({ type: [String], maxItems: 100 })
  refusedRecipients?: string[];
}

export class TellingIdentifiers {
  @IfGiven()
  @IsMailbox()
  email?: string;

  @IfGiven()
  @IsPhone()
  phone?: string;
}

/** For the description of the API; read member by member in `evidence.ts`. */
class EvidenceGiven {
  @ApiPropertyOptional({ enum: locales, description: 'The language it was shown in.' })
  locale?: string;

  @ApiPropertyOptional({ type: [String], description: 'The purposes on the screen, decided or not.' })
  purposesShown?: string[];

  @ApiPropertyOptional({ enum: methods, description: 'An import or a signal never lifts a refusal.' })
  method?: string;

  @ApiPropertyOptional({ type: String, maxLength: 128 })
  channel?: string;

  @ApiPropertyOptional({ type: String, maxLength: 128, description: 'Which variant of the screen was shown.' })
  variant?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time' })
  clientTime?: string;

  @ApiPropertyOptional({
    type: String,
    maxLength: 128,
    description: 'The service the person was refused without this consent: such a grant is not recorded (GDPR 7(4)).',
  })
  conditionOf?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 150, description: 'As the person stated it.' })
  age?: number;

  @ApiPropertyOptional({ type: String, maxLength: 128, description: 'Reference of the guardian who decided.' })
  guardian?: string;

  @ApiPropertyOptional({ type: String, maxLength: 128, description: 'Reference of the mandate of an agent.' })
  mandate?: string;
}

/** One explicit decision per purpose; the whole of what a person saved. */
export class SaveConsents {
  @IsSubjectId()
  subjectId!: string;

  /** The notice the person had before them; required to grant. */
  @IfGiven()
  @ValidateNested()
  @Type(() => NoticeShown)
  @ApiPropertyOptional({ type: NoticeShown })
  notice?: NoticeShown;

  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(mostPurposes)
  @ValidateNested({ each: true })
  @Type(() => OneDecision)
  @ApiProperty({ type: [OneDecision], minItems: 1, maxItems: mostPurposes })
  decisions!: OneDecision[];

  /** What is newly known of the person; kept encrypted. What is not told stays as it is. */
  @IfGiven()
  @ValidateNested()
  @Type(() => TellingIdentifiers)
  @ApiPropertyOptional({ type: TellingIdentifiers })
  identifiers?: TellingIdentifiers;

  /** How the decision came about. Evidence that cannot be read stops what the request grants, never what it denies. */
  @Allow()
  @ApiPropertyOptional({ type: EvidenceGiven })
  evidence?: unknown;
}

/** The fewest fields possible; never asks why. */
export class Withdraw {
  @IsSubjectId()
  subjectId!: string;

  /** Absent: everything. */
  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(mostPurposes)
  @IsString({ each: true })
  @Length(1, longestName, { each: true })
  @ApiPropertyOptional({ type: [String], minItems: 1, maxItems: mostPurposes })
  purposes?: string[];

  /** Only these recipients are refused; the purposes stay as they are for the others. */
  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(100)
  @IsString({ each: true })
  @Length(1, longestName, { each: true })
  @ApiPropertyOptional({ type: [String], minItems: 1, maxItems: 100 })
  recipients?: string[];
}

export class WaitQuery {
  /** `gates`: answer when every gate has confirmed, or its lease has run out (at most two seconds after the commit). */
  @IsOptional()
  @IsIn(['gates', 'none'])
  @ApiPropertyOptional({ enum: ['gates', 'none'], default: 'none' })
  wait?: 'gates' | 'none';
}
