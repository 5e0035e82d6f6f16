import { idPattern, parseKeyRing, parseReceiptKeys } from '@entente/contracts';
import type { Audience, ControllerId, KeyRing, RecipientId } from '@entente/contracts';
import { Env, loadConfigOrExit, ServiceConfig } from '@entente/config';
import type { ConfigFault } from '@entente/config';
import { ArrayNotEmpty, IsIn, IsInt, IsNotEmpty, IsObject, IsUrl, Matches, Min, ValidateNested } from 'class-validator';
import { parseSubjectHashKeys } from './identifiers/subject-hash-keys.ts';
import { parseLogKeys } from './ledger-proofs/log-keys.ts';
import { parseReceiptProfiles } from './receipts/receipt-profile.ts';

const dayMs = 86_400_000;
const url = { require_tld: false, require_protocol: true };
const ring = 'k1:<32 bytes in base64url>';
const logKeyExample = 'PRIVATE+KEY+<name>+<id>+<key>, from `entente ledger key <name>`';
const receiptKeysExample = '{"keys":[<private JWK, from `entente receipt key`>]}';

const decisionsExample =
  '[{"controller":"acme","recipients":["web-tags"],"clientId":"…","clientSecret":"…","directory":"/var/lib/entente/gate"}]';

/** One gate replica for `POST /v1/decisions:check`. */
export class DecisionGateConfig {
  @Matches(new RegExp(idPattern.controller), { message: 'must be lower-case letters, digits and dashes' })
  controller!: ControllerId;

  @ArrayNotEmpty({ message: 'must name at least one recipient' })
  @Matches(new RegExp(idPattern.name), { each: true, message: 'must be recipients’ ids in the catalogue' })
  recipients!: RecipientId[];

  @IsNotEmpty()
  clientId!: string;

  @IsNotEmpty()
  clientSecret!: string;

  @IsNotEmpty()
  directory!: string;
}

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

  @Env('LEDGER_KEYS', { example: logKeyExample, secret: true, optional: true })
  ledgerKeys?: string;

  @Env('LEDGER_CHECKPOINT_DIR', { example: '/var/lib/entente/ledger', optional: true })
  ledgerCheckpointDir?: string;

  @Env('LEDGER_CHECKPOINT_EVERY', { example: '10s', as: 'duration' })
  @Min(100)
  ledgerCheckpointEveryMs = 10_000;

  /** The most rows a second that all imports of this process record together, so that live decisions keep their pace. */
  @Env('IMPORT_ROWS_PER_SECOND', { example: '2000', as: 'integer' })
  @IsInt()
  @Min(1)
  importRowsPerSecond = 2_000;

  /** G-11: counted from a person's last decision, when that left nothing granted. */
  @Env('PROOF_KEPT_FOR', { example: '1826d', as: 'duration' })
  @Min(dayMs, { message: 'must be a day or more: what is destroyed cannot be had again' })
  proofKeptForMs = 1_826 * dayMs;

  @Env('RECEIPT_KEYS', { example: receiptKeysExample, as: 'json', secret: true, optional: true })
  receiptKeys?: object;

  @Env('RECEIPT_ISSUER', { example: 'https://consent.example' })
  receiptIssuer = 'urn:entente:consent';

  @Env('RECEIPT_PROFILES', { example: '{"acme":{"name":"Acme SA","contact":"privacy@acme.example"}}', as: 'json' })
  @IsObject()
  receiptProfiles: Record<string, unknown> = {};

  /** Gate replicas of this process; none by default. With API=off and RELAY=off the process does nothing else. */
  @Env('DECISIONS', { example: decisionsExample, as: 'json', secret: true, type: () => DecisionGateConfig })
  @ValidateNested({ each: true })
  decisions: DecisionGateConfig[] = [];

  /** Where the gates of DECISIONS seed themselves, and where they get their tokens. */
  @Env('CONSENT_URL', { example: 'http://localhost:8080' })
  @IsUrl(url, { message: 'must be a URL' })
  consentUrl = 'http://localhost:8080';

  @Env('TOKEN_URL', { example: 'https://login.example/token' })
  @IsUrl(url, { message: 'must be a URL' })
  tokenUrl = 'http://localhost:8085/token';

  override crossCheck(): readonly ConfigFault[] {
    const directories = this.decisions.map(({ directory }) => directory);
    return [
      ...super.crossCheck(),
      ...this.#proofFaults(),
      ...(new Set(directories).size < directories.length
        ? [{ variable: 'DECISIONS', rule: 'each gate needs a directory of its own', example: decisionsExample }]
        : []),
      ...faultsOf('SUBJECT_HASH_KEYS', '1:<32 bytes in base64url>', () => parseSubjectHashKeys(this.subjectHashKeys)),
      ...faultsOf('IDENTIFIER_KEYS', ring, () => parseKeyRing(this.identifierKeys)),
      ...faultsOf('AUDIENCE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.audienceKeys)),
      ...faultsOf('SHARE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.shareKeys)),
      ...(this.relay === 'off' && this.api === 'off' && this.decisions.length === 0
        ? [{ variable: 'API', rule: 'must be on where RELAY is off: this process would do nothing', example: 'on' }]
        : []),
    ];
  }

  #proofFaults(): ConfigFault[] {
    const { ledgerKeys, receiptKeys } = this;
    const missing = (variable: string, example: string): ConfigFault[] =>
      this.isProduction ? [{ variable, rule: inProduction, example }] : [];
    return [
      ...(ledgerKeys === undefined
        ? missing('LEDGER_KEYS', logKeyExample)
        : faultsOf('LEDGER_KEYS', logKeyExample, () => parseLogKeys(ledgerKeys))),
      ...(receiptKeys === undefined
        ? missing('RECEIPT_KEYS', receiptKeysExample)
        : faultsOf('RECEIPT_KEYS', receiptKeysExample, () => parseReceiptKeys(receiptKeys))),
      ...faultsOf('RECEIPT_PROFILES', '{"acme":{"name":"Acme SA"}}', () => parseReceiptProfiles(this.receiptProfiles)),
    ];
  }
}

const inProduction = 'must be given in production: nothing would be provable';

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
