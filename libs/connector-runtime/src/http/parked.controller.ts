import { idPattern, recipientId, type ControllerId } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsBoolean, IsOptional, Length, Matches } from 'class-validator';
import { ParkedWork } from '../revoke/parked-work.ts';
import { controllerToken } from './tokens.ts';

export class ReplayDto {
  @ApiProperty()
  @Matches(new RegExp(idPattern.name))
  recipient!: string;

  @ApiPropertyOptional({ description: 'Only what was parked for this reason, e.g. authentication.' })
  @IsOptional()
  @Length(1, 200)
  reason?: string;

  @ApiPropertyOptional({ default: true, description: 'Only say how many would be tried again.' })
  @IsBoolean()
  dryRun: boolean = true;
}

export class ReplayedDto {
  @ApiProperty()
  replayed!: number;

  @ApiProperty()
  dryRun!: boolean;
}

/** Tries parked revocations again, at most a thousand per call. */
@ApiTags('operations')
@ApiBearerAuth()
@Controller('v1/parked')
export class ParkedController {
  readonly #parked: ParkedWork;
  readonly #controller: ControllerId;

  constructor(@Inject(ParkedWork) parked: ParkedWork, @Inject(controllerToken) controller: ControllerId) {
    this.#parked = parked;
    this.#controller = controller;
  }

  @Post('replay')
  @HttpCode(200)
  @Scopes('admin', 'ops:operate')
  @ApiOkResponse({ type: ReplayedDto })
  async replay(@Caller() caller: Caller, @Body() { recipient, reason, dryRun }: ReplayDto): Promise<ReplayedDto> {
    if (caller.controller !== this.#controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    return { replayed: await this.#parked.replay({ recipient: recipientId(recipient), reason, dryRun }), dryRun };
  }
}
