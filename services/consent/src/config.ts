import { parseKeyRing } from '@entente/contracts';
import type { Audience, KeyRing } from '@entente/contracts';
import { Env, loadConfigOrExit, ServiceConfig } from '@entente/config';
import type { ConfigFault } from '@entente/config';
import { IsIn, IsObject, IsUrl } from 'class-validator';
import { parseSubjectHashKeys } from './identifiers/subject-hash-keys.ts';

const url = { require_tld: false, require_protocol: true };
const ring = 'k1:<32 bytes in base64url>';

/** The environment of the consent service. */
export class ConsentConfig extends ServiceConfig {
  override httpPort = 8080;
  override instance = 'consent-1';

  @Env('SUBJECT_HASH_KEYS', { example: '1:<32 bytes in base64url>', secret: true })
  subjectHashKeys!: string;

  @Env('IDENTIFIER_KEYS', { example: ring, secret: true })
  identifierKeys!: string;

  @Env('AUDIENCE_KEYS', { example: `{"crm":"${ring}"}`, as: 'json', secret: true })
  @IsObject()
  audienceKeys!: Record<string, string>;

  @Env('SHARE_KEYS', { example: `{"crm":"${ring}"}`, as: 'json', secret: true })
  @IsObject()
  shareKeys: Record<string, string> = {};

  @Env('RELAY', { example: 'on' })
  @IsIn(['on', 'off'])
  relay: 'on' | 'off' = 'on';

  @Env('API', { example: 'on' })
  @IsIn(['on', 'off'])
  api: 'on' | 'off' = 'on';

  @Env('OPS_URL', { example: 'http://localhost:8084' })
  @IsUrl(url, { message: 'must be a URL' })
  opsUrl = 'http://localhost:8084';

  crossCheck(): readonly ConfigFault[] {
    return [
      ...faultsOf('SUBJECT_HASH_KEYS', '1:<32 bytes in base64url>', () => parseSubjectHashKeys(this.subjectHashKeys)),
      ...faultsOf('IDENTIFIER_KEYS', ring, () => parseKeyRing(this.identifierKeys)),
      ...faultsOf('AUDIENCE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.audienceKeys)),
      ...faultsOf('SHARE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.shareKeys)),
      ...(this.relay === 'off' && this.api === 'off'
        ? [{ variable: 'API', rule: 'must be on where RELAY is off: this process would do nothing', example: 'on' }]
        : []),
    ];
  }
}

/** One key ring per audience, from JSON of ring texts. */
export function parseKeyRings(texts: Readonly<Record<string, string>>): ReadonlyMap<Audience, KeyRing> {
  return new Map(Object.entries(texts).map(([name, text]) => [name as Audience, parseKeyRing(text)]));
}

/** The parsers' messages name positions, never key material. */
function faultsOf(variable: string, example: string, parse: () => unknown): ConfigFault[] {
  try {
    parse();
    return [];
  } catch (error) {
    return [{ variable, rule: error instanceof Error ? error.message : 'cannot be read', example }];
  }
}

export const loadConsentConfig = (): Readonly<ConsentConfig> => loadConfigOrExit(ConsentConfig, process.env);
