import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';

const hash = { type: String, pattern: '^[0-9a-f]{64}$' } as const;

/** Two sizes of the tree. */
export class ConsistencyQuery {
  @Type(() => Number)
  @IsInt({ message: 'must be a whole number' })
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  @ApiProperty({ type: 'integer', minimum: 0 })
  from!: number;

  @Type(() => Number)
  @IsInt({ message: 'must be a whole number' })
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @ApiProperty({ type: 'integer', minimum: 1 })
  to!: number;
}

export class InclusionProofBody {
  @ApiProperty({ type: 'integer', minimum: 1, description: 'The entry’s number; its leaf is number − 1.' })
  number!: number;

  @ApiProperty({ ...hash, description: 'SHA-256(0x01 ‖ salt ‖ text): what the ledger holds of the entry.' })
  commitment!: string;

  @ApiProperty({ ...hash, description: 'SHA-256(0x00 ‖ commitment).' })
  leafHash!: string;

  @ApiProperty({ type: 'integer', description: 'Size of the checkpoint’s tree.' })
  size!: number;

  @ApiProperty({ type: [String], description: 'RFC 6962 §2.1.1, nearest first, lower hex.' })
  path!: readonly string[];

  @ApiProperty({ type: String, description: 'The signed note (c2sp.org/tlog-checkpoint).' })
  checkpoint!: string;
}

export class ConsistencyProofBody {
  @ApiProperty({ type: 'integer' })
  from!: number;

  @ApiProperty({ type: 'integer' })
  to!: number;

  @ApiProperty({ type: [String], description: 'RFC 6962 §2.1.2, lower hex.' })
  path!: readonly string[];
}
