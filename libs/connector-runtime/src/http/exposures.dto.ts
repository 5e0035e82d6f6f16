import { ApiProperty } from '@nestjs/swagger';

export class PurposeExposureDto {
  @ApiProperty()
  purpose!: string;

  @ApiProperty({ type: 'integer', description: 'How many sets of identifiers were used.' })
  identifierSets!: number;

  @ApiProperty({ format: 'date-time' })
  firstAt!: string;

  @ApiProperty({ format: 'date-time' })
  lastAt!: string;

  @ApiProperty({ description: 'Known from an import alone: shared before Entente.' })
  imported!: boolean;
}

export class ConfirmationStandingDto {
  @ApiProperty({ enum: ['open', 'confirmed', 'failed', 'given-up', 'closed'] })
  state!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ format: 'date-time' })
  acceptedAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  endedAt!: string | null;
}

export class RevocationStandingDto {
  @ApiProperty()
  state!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty({ type: 'integer', description: 'Newest version the recipient has accepted, or that needed nothing.' })
  settledVersion!: number;

  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({
    type: ConfirmationStandingDto,
    nullable: true,
    description: 'Whether the recipient has shown the effect.',
  })
  confirmation!: ConfirmationStandingDto | null;
}

class PlainTextDto {
  @ApiProperty()
  en!: string;

  @ApiProperty()
  fr!: string;
}

export class RecipientExposureDto {
  @ApiProperty()
  recipient!: string;

  @ApiProperty()
  partner!: string;

  @ApiProperty({
    type: PlainTextDto,
    description: 'What the partner’s documentation says about its own processing time.',
  })
  documentedDelay!: PlainTextDto;

  @ApiProperty({
    enum: ['recorded', 'preloaded', 'erased'],
    description:
      'recorded = shared or imported; preloaded = it may hold people we have no record of; erased = it has accepted to delete all it had.',
  })
  basis!: 'recorded' | 'preloaded' | 'erased';

  @ApiProperty({ type: [String], description: 'Purposes allowed at this recipient now.' })
  allowed!: string[];

  @ApiProperty({ type: [PurposeExposureDto] })
  exposures!: PurposeExposureDto[];

  @ApiProperty({ type: RevocationStandingDto })
  revocation!: RevocationStandingDto;
}

export class SubjectExposuresDto {
  @ApiProperty()
  subjectKey!: string;

  @ApiProperty({ type: [RecipientExposureDto] })
  recipients!: RecipientExposureDto[];
}

export class RejectedLineDto {
  @ApiProperty({ type: 'integer', description: 'Line of the request, from 1.' })
  line!: number;

  @ApiProperty({
    enum: ['unknown-subject', 'revocation-in-flight'],
    description:
      'unknown-subject: import the person’s consent first. revocation-in-flight: send the line again in a few seconds.',
  })
  reason!: 'unknown-subject' | 'revocation-in-flight';
}

export class ExposureImportDto {
  @ApiProperty({ type: 'integer' })
  imported!: number;

  @ApiProperty({ type: [RejectedLineDto] })
  rejected!: RejectedLineDto[];
}
