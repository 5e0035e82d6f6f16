import { createLogger } from '@entente/observability';
import { expect, test } from '@jest/globals';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { Public } from '../auth/scopes.ts';
import { HealthModule } from '../health/health.module.ts';
import { createHttpApp } from './create-http-app.ts';
import { buildOpenApi } from './openapi.ts';

class Named {
  @ApiProperty({ type: String, maxLength: 20 })
  @IsString()
  name!: string;

  @ApiProperty({ enum: ['a', 'b'], nullable: true, type: String })
  @IsOptional()
  kind!: 'a' | 'b' | null;
}

@Public()
@Controller('v1')
class NamedController {
  @Post('names')
  save(@Body() body: Named): string {
    return body.name;
  }
}

@Module({ imports: [HealthModule.forRoot()], controllers: [NamedController] })
class NamedModule {}

test('OpenAPI 3.1, keys sorted, the same text every time, our own probes left out', async () => {
  const app = await createHttpApp({ module: NamedModule, log: createLogger({ service: 'x', level: 'silent' }) });
  const text = buildOpenApi(app, { title: 'Names', version: '1.0.0' });
  expect(buildOpenApi(app, { title: 'Names', version: '1.0.0' })).toBe(text);
  const document = JSON.parse(text) as { openapi: string; paths: object; components: { schemas: object } };
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document)).toEqual([...Object.keys(document)].sort());
  expect(Object.keys(document.paths)).toEqual(['/v1/names']);
  expect(document.components.schemas).toMatchObject({
    Named: { properties: { name: { maxLength: 20, type: 'string' } } },
  });
  expect(document.components.schemas).toMatchObject({
    Named: { properties: { kind: { enum: ['a', 'b', null], type: ['string', 'null'] } } },
  });
  await app.close();
});
