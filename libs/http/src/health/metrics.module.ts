import type { Metrics } from '@entente/observability';
import { Controller, Get, Headers, Inject, Module, Res } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth/scopes.ts';

const metricsToken = Symbol('entente:metrics');

@ApiExcludeController()
@Public()
@Controller('metrics')
class MetricsController {
  readonly #metrics: Metrics;

  constructor(@Inject(metricsToken) metrics: Metrics) {
    this.#metrics = metrics;
  }

  @Get()
  async text(
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { contentType, text } = await this.#metrics.exposition(accept);
    void reply.headers({ 'content-type': contentType, vary: 'accept' });
    return text;
  }
}

/** `GET /metrics` for Prometheus, public and on the service's own port: it carries no personal data. */
@Module({})
export class MetricsModule {
  static forRoot(metrics: Metrics): DynamicModule {
    return {
      module: MetricsModule,
      controllers: [MetricsController],
      providers: [{ provide: metricsToken, useValue: metrics }],
    };
  }
}
