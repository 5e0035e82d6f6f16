import { idPattern } from '@entente/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayNotEmpty, IsArray, Matches, ValidateBy } from 'class-validator';
import { IsName, isSubjectId } from './shapes.ts';

/** Most people one look-up may name. */
const mostSubjects = 1_000;

export class FindSubjectKeys {
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(mostSubjects)
  @ValidateBy(
    {
      name: 'isSubjectId',
      validator: {
        validate: isSubjectId,
        defaultMessage: () => 'must hold ids of 1 to 256 characters, not blank, without control characters',
      },
    },
    { each: true },
  )
  @ApiProperty({ type: [String], minItems: 1, maxItems: mostSubjects })
  subjectIds!: string[];
}

export class FoundSubjectKey {
  @ApiProperty({ type: String })
  subjectId!: string;

  @ApiProperty({ type: String })
  subjectKey!: string;

  @ApiProperty({
    type: Boolean,
    description: 'False for a person nothing was ever recorded for: everything is denied.',
  })
  known!: boolean;
}

export class FoundSubjectKeys {
  @ApiProperty({ type: [FoundSubjectKey] })
  subjects!: readonly FoundSubjectKey[];
}

export class AskSealed {
  @IsName()
  audience!: string;

  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(mostSubjects)
  @Matches(new RegExp(idPattern.subjectKey), { each: true, message: 'must hold subject keys' })
  @ApiProperty({ type: [String], minItems: 1, maxItems: mostSubjects })
  subjectKeys!: string[];
}

export class SealedBody {
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Compact JWE of the identifiers, by subject key; unknown people are absent.',
  })
  sealed!: Readonly<Record<string, string>>;
}

export class ShareKeyBody {
  @ApiProperty({ type: String })
  kid!: string;

  @ApiProperty({ type: String, description: '32 bytes in base64url, for A256GCM.' })
  key!: string;
}
