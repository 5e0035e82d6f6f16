import { idPattern, identifierKinds, legalBases, parties, recipientKinds } from '@entente/contracts';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
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
}

const IsItems = (item: () => new () => object) =>
  applyDecorators(
    IfGiven(),
    IsArray(),
    ArrayMaxSize(mostItems),
    ValidateNested({ each: true }),
    Type(item),
    ApiPropertyOptional({ type: item, isArray: true, maxItems: mostItems }),
  );

/** One catalogue transaction: items replace those of the same id. */
export class ChangeCatalogue {
  @IsItems(() => PurposeBody)
  purposes?: PurposeBody[];

  @IsItems(() => NoticeBody)
  notices?: NoticeBody[];

  @IsItems(() => RecipientBody)
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
