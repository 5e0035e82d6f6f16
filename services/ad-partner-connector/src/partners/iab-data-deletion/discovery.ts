import {
  answerOf,
  elements,
  member,
  withoutAnswer,
  type Answer,
  type Outcome,
  type PartnerContext,
} from '@entente/connector-runtime';
import type { JWK } from 'jose';
import type { IabDataDeletionSettings } from './settings.ts';

/** What a vendor publishes at `https://{domain}/dsrdelete.json`. */
export interface VendorResource {
  readonly endpoint: URL;
  readonly keys: readonly JWK[];
}

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' }>;
export type Discovered = { readonly resource: VendorResource } | { readonly failure: Failure };

/** Nothing about a person was sent, so an unanswered question leaves nothing unclear. */
const unavailable: Failure = { kind: 'retry', why: 'discovery-unavailable' };
const refused = (why: string): { readonly failure: Failure } => ({ failure: { kind: 'refused', why } });

const minuteMs = 60_000;

/** The resources of configured vendors, kept for as long as the settings say. */
export class Discovery {
  readonly #held = new WeakMap<
    IabDataDeletionSettings,
    { readonly resource: VendorResource; readonly until: number }
  >();

  async of(context: PartnerContext<IabDataDeletionSettings>): Promise<Discovered> {
    const { settings } = context;
    const held = this.#held.get(settings);
    return held !== undefined && context.now() < held.until ? held : this.again(context);
  }

  /** Past what is kept: a vendor may have changed its keys since. */
  async again(context: PartnerContext<IabDataDeletionSettings>): Promise<Discovered> {
    const { settings } = context;
    const url = new URL(settings.discoveryUrl ?? `https://${settings.domain}/dsrdelete.json`);
    const result = answerOf(await context.call({ method: 'GET', url, headers: { accept: 'application/json' } }));
    const found =
      'failure' in result
        ? { failure: withoutAnswer(result.failure, unavailable.why) }
        : readResource(result.answer, settings, url);
    if ('resource' in found)
      this.#held.set(settings, { ...found, until: context.now() + settings.discoveryMinutes * minuteMs });
    return found;
  }
}

export function readResource(answer: Answer, settings: IabDataDeletionSettings, from: URL): Discovered {
  const { status, json } = answer;
  // Redirects are not followed: where to ask is a setting, not the answer of whoever answers first.
  if (status >= 300 && status < 400) return refused('discovery-moved');
  if (status === 404 || status === 410) return refused('discovery-missing');
  if (status !== 200) return { failure: unavailable };
  const endpoint = endpointIn(json);
  const keys = keysIn(json);
  if (endpoint === undefined || keys.length === 0) return { failure: { kind: 'retry', why: 'discovery-malformed' } };
  // What was asked for over TLS must not send people's identifiers without it.
  if (endpoint.protocol !== 'https:' && endpoint.protocol !== from.protocol) return refused('endpoint-not-https');
  if (!isAtVendor(endpoint, settings, from)) return refused('endpoint-elsewhere');
  // It can only be run in the person's browser, on the controller's pages.
  if (member(json, 'vendorScriptRequirement') === true) return refused('vendor-script-required');
  const { identifierType, identifierFormat } = settings;
  const takes = elements(member(json, 'identifiers')).some(
    (each) => isSame(member(each, 'type'), identifierType) && isSame(member(each, 'format'), identifierFormat),
  );
  return takes ? { resource: { endpoint, keys } } : refused('identifier-not-supported');
}

const isSame = (given: unknown, wanted: string): boolean =>
  typeof given === 'string' && given.toLowerCase() === wanted.toLowerCase();

function endpointIn(json: unknown): URL | undefined {
  const endpoint = member(json, 'endpoint');
  return typeof endpoint === 'string' && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
}

/** A published file must not send identifiers wherever it likes, into our own network least of all. */
const isAtVendor = ({ host, hostname }: URL, { domain, endpointHosts }: IabDataDeletionSettings, from: URL): boolean =>
  host === from.host || hostname === domain || hostname.endsWith(`.${domain}`) || endpointHosts.includes(hostname);

/** An array of keys, or a key set (RFC 7517 §5): the framework shows the first and speaks of the second. */
function keysIn(json: unknown): JWK[] {
  const published = member(json, 'publicKey');
  const keys = elements(Array.isArray(published) ? published : member(published, 'keys'));
  return keys.filter((key): key is JWK => ['RSA', 'EC', 'OKP'].includes(String(member(key, 'kty'))));
}
