import { idPattern } from '@entente/contracts';
import { Caller, Scopes } from '@entente/http';
import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, Matches } from 'class-validator';
import { Audit } from '../audit/audit.ts';
import { DemoWorld } from '../demo/demo-world.ts';
import type { DemoView } from '../read/views/demo.ts';

const name = new RegExp(idPattern.name);

export class ReimportRequest {
  @Matches(name, { message: 'does not have the form of a recipient id' })
  recipient!: string;
}

export class SwitchesRequest extends ReimportRequest {
  @IsArray()
  @ArrayMaxSize(20)
  @Matches(name, { each: true, message: 'does not have the form of a switch' })
  on!: string[];
}

/** Fault switches of the local stack’s partners. Only there: without DEMO_WORLD_URL these routes do not exist. */
@ApiExcludeController()
@Controller('v1/demo')
export class DemoController {
  constructor(
    private readonly demo: DemoWorld,
    private readonly audit: Audit,
  ) {}

  @Get()
  @Scopes('ops:read')
  view(): Promise<DemoView> {
    return this.demo.view();
  }

  @Post('switches')
  @HttpCode(200)
  @Scopes('ops:operate')
  async switches(@Caller() caller: Caller, @Body() { recipient, on }: SwitchesRequest): Promise<DemoView> {
    const done = await this.audit.begin(caller, 'demo-faults', { target: recipient, detail: { on } });
    const view = await this.demo.switches(recipient, on);
    await done({ done: true });
    return view;
  }

  @Post('re-imports')
  @HttpCode(200)
  @Scopes('ops:operate')
  async reimport(@Caller() caller: Caller, @Body() { recipient }: ReimportRequest): Promise<{ people: number }> {
    const done = await this.audit.begin(caller, 'demo-re-import', { target: recipient });
    const people = await this.demo.reimport(recipient);
    await done({ people });
    return { people };
  }
}
