import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Length } from 'class-validator';
import { SubjectConsentsBody } from './answers.dto.ts';

/** Receipts of a thousand purposes fit. */
const longestReceipt = 500_000;

export class AskVerdict {
  @Length(1, longestReceipt, { message: 'must be a compact JWS' })
  @ApiProperty({ type: String, maxLength: longestReceipt, description: 'Compact JWS.' })
  receipt!: string;
}

export class ReceiptBody {
  @ApiProperty({ type: String, description: 'Compact JWS of libs/contracts/schemas/consent-receipt.v1.json.' })
  receipt!: string;
}

export class VerdictBody {
  @ApiProperty({ type: Boolean })
  valid!: boolean;

  @ApiPropertyOptional({ enum: ['malformed', 'wrong-type', 'unknown-key', 'bad-signature', 'bad-content'] })
  fault?: string;

  @ApiPropertyOptional({ type: String })
  detail?: string;

  @ApiPropertyOptional({ type: String, description: 'The key that signed it.' })
  kid?: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'What was signed.' })
  payload?: object;

  @ApiPropertyOptional({
    type: SubjectConsentsBody,
    description: 'What stands now: a receipt proves what was recorded then. Only for the controller of the receipt.',
  })
  current?: SubjectConsentsBody;
}

export class JwksBody {
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } })
  keys!: readonly object[];
}
