import { Controller, Get, Module, Res } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth/scopes.ts';
import { Readiness } from './readiness.ts';
import type { HealthCheck, HealthReport } from './readiness.ts';

@ApiExcludeController()
@Public()
@Controller('health')
class HealthController {
  readonly #readiness: Readiness;

  constructor(readiness: Readiness) {
    this.#readiness = readiness;
  }

  /** The process runs and its event loop turns; says nothing about what it depends on. */
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthReport> {
    const report = await this.#readiness.report();
    if (!report.ready) reply.code(503);
    return report;
  }
}

/** `GET /health/live` and `GET /health/ready`, both public. */
@Module({})
export class HealthModule {
  static forRoot({ checks = [] }: { readonly checks?: readonly HealthCheck[] } = {}): DynamicModule {
    return {
      module: HealthModule,
      global: true,
      controllers: [HealthController],
      providers: [{ provide: Readiness, useValue: new Readiness(checks) }],
      exports: [Readiness],
    };
  }
}
