import { idPattern } from '@entente/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { Matches } from 'class-validator';

/** Where to and what for: what a share and the register of one have in common. */
export class RecipientPurposeDto {
  @ApiProperty({ description: 'Id of a recipient this service serves.' })
  @Matches(new RegExp(idPattern.name))
  recipient!: string;

  @ApiProperty()
  @Matches(new RegExp(idPattern.name))
  purpose!: string;
}
