import { consentModeKeys, idPattern, identifierKinds, legalBases, parties, recipientKinds } from '@entente/contracts';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsName } from './shapes.ts';

const mostItems = 200;
const name = new RegExp(idPattern.name);

const IfGiven = () => ValidateIf((_object: object, value: unknown) => value !== undefined);

/** A list of catalogue names without repetition. */
const IsNames = () =>
  applyDecorators(
    IsArray(),
    ArrayMaxSize(mostItems),
    ArrayUnique(),
    Matches(name, { each: true, message: 'must hold catalogue names' }),
    ApiProperty({ type: [String], maxItems: mostItems }),
  );

const IsTexts = () =>
  applyDecorators(
    IsArray(),
    ArrayMaxSize(mostItems),
    ArrayUnique(),
    IsString({ each: true }),
    Length(1, 128, { each: true }),
    ApiProperty({ type: [String], maxItems: mostItems }),
  );

export class PlainTextBody {
  @IsString()
  @Length(1, 10_000)
  @ApiProperty({ type: String, maxLength: 10_000 })
  en!: string;

  @IsString()
  @Length(1, 10_000)
  @ApiProperty({ type: String, maxLength: 10_000 })
  fr!: string;
}

const IsPlainText = () =>
  applyDecorators(
    ValidateBy({
      name: 'isGiven',
      validator: { validate: (value) => value !== undefined && value !== null, defaultMessage: () => 'is required' },
    }),
    ValidateNested(),
    Type(() => PlainTextBody),
    ApiProperty({ type: PlainTextBody }),
  );

/** A name that may be left out. */
const MayBeName = () =>
  applyDecorators(
    IfGiven(),
    Matches(name, { message: 'must be a name' }),
    ApiPropertyOptional({ type: String, pattern: idPattern.name }),
  );

const MayBeInt = (minimum: number, maximum: number) =>
  applyDecorators(
    IfGiven(),
    IsInt(),
    Min(minimum),
    Max(maximum),
    ApiPropertyOptional({ type: 'integer', minimum, maximum }),
  );

const MayBeTrue = () => applyDecorators(IfGiven(), IsBoolean(), ApiPropertyOptional({ type: Boolean }));

/** A short list of texts of one shape, without repetition. */
const MayBeTexts = (pattern: RegExp, message: string) =>
  applyDecorators(
    IfGiven(),
    IsArray(),
    ArrayNotEmpty(),
    ArrayMaxSize(mostItems),
    ArrayUnique(),
    Matches(pattern, { each: true, message }),
    ApiPropertyOptional({ type: [String], minItems: 1, maxItems: mostItems }),
  );

/** Numbers that IAB counts from 1; the field holds one bit for each. */
const IsBits = (bits: number) =>
  applyDecorators(
    IsArray(),
    ArrayNotEmpty(),
    ArrayUnique(),
    IsInt({ each: true }),
    Min(1, { each: true }),
    Max(bits, { each: true }),
  );

const bits = { type: 'array', items: { type: 'integer', minimum: 1 }, minItems: 1 } as const;

export class TcfMappingBody {
  @IsBits(24)
  @ApiProperty({ ...bits, description: 'TCF purposes; all of them are needed.' })
  purposes!: number[];

  @IfGiven()
  @IsBits(12)
  @ApiPropertyOptional(bits)
  specialFeatures?: number[];
}

/** What the purpose is called elsewhere. */
export class PurposeMappingBody {
  @IfGiven()
  @ValidateNested()
  @Type(() => TcfMappingBody)
  @ApiPropertyOptional({ type: TcfMappingBody })
  tcf?: TcfMappingBody;

  /** Fields of IAB GPP's US sections, like `SaleOptOut`. */
  @MayBeTexts(/^[A-Z][A-Za-z]{1,63}$/, 'must hold names of GPP fields, like SaleOptOut')
  gpp?: string[];

  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(consentModeKeys, { each: true })
  @ApiPropertyOptional({ enum: consentModeKeys, isArray: true, minItems: 1 })
  consentMode?: (typeof consentModeKeys)[number][];

  /** Data uses of Fideslang. */
  @MayBeTexts(/^[a-z_]{1,64}(?:\.[a-z_]{1,64}){0,7}$/, 'must hold Fides data uses, like marketing.communications.email')
  fides?: string[];

  /** Tracking as Apple understands it: needs the device's permission too. */
  @MayBeTrue()
  att?: boolean;
}

export class PurposeBody {
  @IsName()
  id!: string;

  @IsPlainText()
  title!: PlainTextBody;

  @IsPlainText()
  description!: PlainTextBody;

  @IsIn(legalBases)
  @ApiProperty({ enum: legalBases })
  legalBasis!: (typeof legalBases)[number];

  @IsTexts()
  dataCategories!: string[];

  @IsIn(parties)
  @ApiProperty({ enum: parties })
  party!: (typeof parties)[number];

  /** Fields that may leave for this purpose; everything else is stripped. */
  @IsTexts()
  fields!: string[];

  @IsBoolean()
  @ApiProperty({ type: Boolean })
  active!: boolean;

  /** The recipient that gave us the data; it hears of every withdrawal. */
  @MayBeName()
  supplier?: string;

  @MayBeInt(1, 120)
  minAge?: number;

  /** Special categories of data: no signal ever grants it. */
  @MayBeTrue()
  explicit?: boolean;

  /** Days after which a grant ends when it names no earlier end. */
  @MayBeInt(1, 3660)
  validityDays?: number;

  /** Days during which a person who said no is not asked again. */
  @MayBeInt(0, 3660)
  reaskAfterDays?: number;

  /** Another purpose that stands in for this one. */
  @MayBeName()
  replacedBy?: string;

  @IfGiven()
  @ValidateNested()
  @Type(() => PurposeMappingBody)
  @ApiPropertyOptional({ type: PurposeMappingBody })
  mapping?: PurposeMappingBody;
}

export class NoticeBody {
  @IsName()
  id!: string;

  @IsInt()
  @Min(1)
  @Max(999_999_999)
  @ApiProperty({ type: 'integer', minimum: 1, maximum: 999_999_999 })
  version!: number;

  @IsPlainText()
  text!: PlainTextBody;

  /** Purpose → the recipients named for it. */
  @ValidateBy({
    name: 'isRecipientsByPurpose',
    validator: {
      validate: isRecipientsByPurpose,
      defaultMessage: () => 'must map names of purposes to lists of names of recipients',
    },
  })
  @ApiProperty({ type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } })
  purposes!: Record<string, string[]>;

  /** BCP 47 tags under which this version was shown. */
  @MayBeTexts(/^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/, 'must hold language tags, like fr-FR')
  locales?: string[];

  /** True: whoever accepted an older version is asked again, and denied until they have accepted this one. */
  @MayBeTrue()
  material?: boolean;
}

function isRecipientsByPurpose(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= mostItems &&
    entries.every(
      ([purpose, recipients]: [string, unknown]) =>
        name.test(purpose) &&
        Array.isArray(recipients) &&
        recipients.length <= mostItems &&
        recipients.every((recipient) => typeof recipient === 'string' && name.test(recipient)),
    )
  );
}

export class RecipientBody {
  @IsName()
  id!: string;

  @IsString()
  @Length(1, 200)
  @ApiProperty({ type: String, maxLength: 200 })
  name!: string;

  @IsIn(recipientKinds)
  @ApiProperty({ enum: recipientKinds })
  kind!: (typeof recipientKinds)[number];

  @IsName()
  partner!: string;

  /** Who may open what is sealed for this recipient; the kind when absent. */
  @IfGiven()
  @Matches(name, { message: 'must be a name' })
  @ApiPropertyOptional({ type: String, pattern: idPattern.name })
  audience?: string;

  @IsNames()
  purposes!: string[];

  @IsArray()
  @ArrayUnique()
  @IsIn(identifierKinds, { each: true })
  @ApiProperty({ enum: identifierKinds, isArray: true })
  identifiers!: (typeof identifierKinds)[number][];

  /** The partner may hold people we never recorded an exposure for. */
  @IsBoolean()
  @ApiProperty({ type: Boolean })
  preloaded!: boolean;

  @IsBoolean()
  @ApiProperty({ type: Boolean })
  active!: boolean;

  /** Its number on IAB's Global Vendor List. */
  @MayBeInt(1, 65_535)
  tcfVendor?: number;
}

const IsItems = (item: new () => object) =>
  applyDecorators(
    IfGiven(),
    IsArray(),
    ArrayMaxSize(mostItems),
    ValidateNested({ each: true }),
    Type(() => item),
    ApiPropertyOptional({ type: [item], maxItems: mostItems }),
  );

/** One catalogue transaction: items replace those of the same id. */
export class ChangeCatalogue {
  @IsItems(PurposeBody)
  purposes?: PurposeBody[];

  @IsItems(NoticeBody)
  notices?: NoticeBody[];

  @IsItems(RecipientBody)
  recipients?: RecipientBody[];
}

/** The id stands in the path. */
export class PutPurpose extends OmitType(PurposeBody, ['id']) {}
export class PutRecipient extends OmitType(RecipientBody, ['id']) {}

export class CatalogueAnswerBody {
  @ApiProperty({ type: 'integer', description: 'The catalogue’s number after the request.' })
  number!: number;

  @ApiProperty({ type: Boolean, description: 'False when everything stood there already.' })
  changed!: boolean;
}

class StoredNoticeBody extends NoticeBody {
  @ApiProperty({ type: String, description: 'SHA-256 of the text and the purposes, lower hex.' })
  contentHash!: string;
}

export class CatalogueBody {
  @ApiProperty({ type: 'integer' })
  number!: number;

  @ApiProperty({ type: [PurposeBody] })
  purposes!: readonly object[];

  @ApiProperty({ type: [StoredNoticeBody] })
  notices!: readonly object[];

  @ApiProperty({ type: [RecipientBody] })
  recipients!: readonly object[];
}
