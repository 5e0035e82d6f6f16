import { idPattern, recipientId, type ControllerId } from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, Length, Matches, Max, Min } from 'class-validator';
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
  @ApiProperty({ type: 'integer' })
  replayed!: number;

  @ApiProperty()
  dryRun!: boolean;
}

const mostReplays = 200;

export class ReplaysQueryDto {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: mostReplays, default: 50 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(mostReplays)
  limit: number = 50;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Replays below this number: the next page.' })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  below: number = Number.MAX_SAFE_INTEGER;
}

export class ReplayDoneDto {
  @ApiProperty({ type: 'integer' })
  number!: number;

  @ApiProperty({ type: String })
  recipient!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Only what was parked for this reason; null: whatever it was.',
  })
  reason!: string | null;

  @ApiProperty({
    type: String,
    description: 'The client that asked; the ops service asks for people of its console, whom its audit names.',
  })
  client!: string;

  @ApiProperty({ type: 'integer' })
  people!: number;

  @ApiProperty({ type: String, description: 'The database’s role that did it.' })
  role!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  at!: Date;
}

export class ReplaysDto {
  @ApiProperty({ type: [ReplayDoneDto], description: 'Newest first.' })
  replays!: readonly ReplayDoneDto[];
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
  @ApiOperation({ operationId: 'replayParked', summary: 'Try parked revocations again' })
  @ApiOkResponse({ type: ReplayedDto })
  @ApiProblems(400, 413, 415)
  async replay(@Caller() caller: Caller, @Body() { recipient, reason, dryRun }: ReplayDto): Promise<ReplayedDto> {
    this.#checkController(caller);
    const query = { recipient: recipientId(recipient), reason, dryRun, client: caller.clientId };
    return { replayed: await this.#parked.replay(query), dryRun };
  }

  /** AUDIT: what was tried again, and who asked for it. */
  @Get('replays')
  @Scopes('admin', 'audit:read')
  @ApiOperation({ operationId: 'listReplays', summary: 'Who had parked work tried again, newest first' })
  @ApiOkResponse({ type: ReplaysDto })
  @ApiProblems(400)
  async replays(@Caller() caller: Caller, @Query() { below, limit }: ReplaysQueryDto): Promise<ReplaysDto> {
    this.#checkController(caller);
    return { replays: await this.#parked.replays({ below, limit }) };
  }

  #checkController({ controller }: Caller): void {
    if (controller !== this.#controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
  }
}
