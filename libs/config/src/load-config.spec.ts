import { describe, expect, test } from '@jest/globals';
import { Type } from 'class-transformer';
import { ArrayMinSize, IsIn, IsInt, IsString, IsUrl, Matches, Max, Min, ValidateNested } from 'class-validator';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, Env, loadConfig, loadConfigOrExit } from './index.ts';
import type { ConfigFault } from './index.ts';

class RecipientSettings {
  @IsString() id!: string;
  @IsInt() @Min(1) perSecond!: number;
}

class ServiceConfig {
  @Env('DATABASE_URL', { example: 'postgres://localhost/entente', secret: true })
  @IsUrl({ protocols: ['postgres', 'postgresql'], require_tld: false })
  databaseUrl!: string;

  @Env('HTTP_PORT', { as: 'integer', example: '8080' })
  @Min(0)
  @Max(65_535)
  httpPort = 8080;

  @Env('MAX_STALENESS', { as: 'duration', example: '2s' })
  @Min(100)
  maxStalenessMs = 2_000;

  @Env('PROOF_INTERVAL', { as: 'duration', example: '200ms' })
  proofIntervalMs = 200;

  @Env('RELAY', { as: 'boolean', example: 'true' })
  relay = true;

  @Env('BROKERS', { as: 'list', example: 'localhost:9092' })
  @ArrayMinSize(1)
  @Matches(/^[^:]+:\d+$/, { each: true })
  brokers!: string[];

  @Env('LOG_LEVEL', { example: 'info' })
  @IsIn(['info', 'debug'])
  logLevel: string = 'info';

  @Env('OPS_URL', { example: 'https://ops.example', optional: true })
  @IsUrl()
  opsUrl?: string;

  @Env('RECIPIENTS', { as: 'json', example: '[{"id":"meta-ads","perSecond":5}]', type: () => RecipientSettings })
  @ValidateNested({ each: true })
  @Type(() => RecipientSettings)
  recipients: RecipientSettings[] = [];

  crossCheck(): ConfigFault[] {
    return this.maxStalenessMs > this.proofIntervalMs
      ? []
      : [{ variable: 'MAX_STALENESS', rule: 'must be longer than PROOF_INTERVAL', example: '2s' }];
  }
}

const good = { DATABASE_URL: 'postgres://user:hunter2@localhost:5432/entente', BROKERS: 'a:9092, b:9092' };

function faultsOf(env: NodeJS.ProcessEnv): readonly ConfigFault[] {
  try {
    loadConfig(ServiceConfig, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe('a good environment', () => {
  test('is converted, defaults filled in, and frozen to the bottom', () => {
    const config = loadConfig(ServiceConfig, {
      ...good,
      HTTP_PORT: '0',
      MAX_STALENESS: '1.5s',
      RELAY: 'false',
      RECIPIENTS: '[{"id":"meta-ads","perSecond":5}]',
      UNRELATED: 'x',
    });
    expect(config).toMatchObject({ httpPort: 0, maxStalenessMs: 1_500, relay: false, brokers: ['a:9092', 'b:9092'] });
    expect(config.recipients[0]).toBeInstanceOf(RecipientSettings);
    expect(config.opsUrl).toBeUndefined();
    expect([config, config.brokers, config.recipients, config.recipients[0]].every(Object.isFrozen)).toBe(true);
  });

  test('an empty variable is an unset one', () => {
    expect(loadConfig(ServiceConfig, { ...good, LOG_LEVEL: '', OPS_URL: '' })).toMatchObject({ logLevel: 'info' });
  });
});

describe('a bad environment', () => {
  test('shows every fault at once, with variable, rule and example', () => {
    const error = new ConfigError(
      faultsOf({ HTTP_PORT: '70000', MAX_STALENESS: '2', RELAY: 'maybe', LOG_LEVEL: 'loud', RECIPIENTS: '[{"id":1}]' }),
    );
    for (const variable of [
      'DATABASE_URL',
      'HTTP_PORT',
      'MAX_STALENESS',
      'RELAY',
      'BROKERS',
      'LOG_LEVEL',
      'RECIPIENTS',
    ])
      expect(error.message).toMatch(new RegExp(`^  ${variable}: .+ \\(example: ${variable}=.+\\)$`, 'm'));
    expect(error.message).toContain('HTTP_PORT: must not be greater than 65535');
    expect(error.message).toContain('DATABASE_URL: is required');
  });

  test.each([
    ['HTTP_PORT', '8080.5', 'must be a whole number'],
    ['HTTP_PORT', ' 80', 'must be a whole number'],
    ['HTTP_PORT', '0x50', 'must be a whole number'],
    ['HTTP_PORT', '99999999999999999999', 'must be a whole number'],
    ['RELAY', 'yes', 'must be true or false'],
    ['MAX_STALENESS', '-2s', 'must be a duration: a number followed by ms, s, m, h or d'],
    ['MAX_STALENESS', '0s', 'must not be less than 100'],
    ['RECIPIENTS', '[{', 'must be valid JSON'],
    ['RECIPIENTS', '[{"id":"a","perSecond":0}]', '0: perSecond: must not be less than 1'],
    ['BROKERS', 'nowhere', 'each value must match /^[^:]+:\\d+$/ regular expression'],
  ])('%s=%s', (variable, value, rule) => {
    expect(faultsOf({ ...good, [variable]: value }).map((fault) => fault.rule)).toContain(rule);
  });

  test('values are judged together once each is fine', () => {
    expect(faultsOf({ ...good, MAX_STALENESS: '150ms', PROOF_INTERVAL: '1s' })).toMatchObject([
      { variable: 'MAX_STALENESS' },
    ]);
  });

  test('a secret is never printed', () => {
    expect(new ConfigError(faultsOf({ ...good, DATABASE_URL: 'mysql://u:hunter2@h/x' })).message).not.toContain(
      'hunter2',
    );
  });

  test('is printed and ends the process with 1', () => {
    const printed: string[] = [];
    const exit = (code: number): never => {
      throw new Error(`exit ${code}`);
    };
    expect(() => loadConfigOrExit(ServiceConfig, {}, (text) => printed.push(text), exit)).toThrow('exit 1');
    expect(printed.join()).toContain('DATABASE_URL: is required');
  });
});

describe('secrets from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-config-'));
  const file = join(folder, 'url');
  writeFileSync(file, `${good.DATABASE_URL}\n`);
  test('the file’s content without its last line end is the value', () => {
    const config = loadConfig(ServiceConfig, { BROKERS: 'a:1', DATABASE_URL_FILE: file });
    expect(config.databaseUrl).toBe(good.DATABASE_URL);
  });
  test('a missing file is a fault', () => {
    expect(faultsOf({ BROKERS: 'a:1', DATABASE_URL_FILE: join(folder, 'none') })).toMatchObject([
      { variable: 'DATABASE_URL', rule: 'the file that DATABASE_URL_FILE names cannot be read (ENOENT)' },
    ]);
  });
  test('value and file together are a fault', () => {
    expect(faultsOf({ ...good, DATABASE_URL_FILE: file })).toMatchObject([
      { rule: expect.stringContaining('given twice') },
    ]);
    rmSync(folder, { recursive: true });
  });
});
