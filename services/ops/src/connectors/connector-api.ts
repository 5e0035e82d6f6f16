import { Refusal, type TokenSource } from '@entente/http';

/** A person waits for the answer. */
const answerTimeoutMs = 10_000;

export interface ConnectorApiOptions {
  /** Recipient → address of its connector. */
  readonly urls: Readonly<Record<string, string>>;
  readonly consentUrl: string;
  readonly tokens: TokenSource;
}

/** What this service asks of other services on behalf of an operator, with its own token. */
export class ConnectorApi {
  constructor(private readonly options: ConnectorApiOptions) {}

  knows(recipient: string): boolean {
    return Object.hasOwn(this.options.urls, recipient);
  }

  /** @returns how many rows, one per person, were or would be tried again @throws Refusal when the connector cannot say */
  async replay(recipient: string, reason: string | null, dryRun: boolean): Promise<number> {
    const answer = await this.post(new URL('/v1/parked/replay', this.urlOf(recipient)), {
      recipient,
      ...(reason === null ? {} : { reason }),
      dryRun,
    });
    const replayed: unknown = member(answer, 'replayed');
    if (typeof replayed !== 'number') throw failed('connector', 'gave an answer that cannot be read');
    return replayed;
  }

  /** The newest comparison with the partner, as its connector tells it; null when there never was one. */
  async reconciliation(recipient: string): Promise<unknown> {
    const url = new URL(`/v1/reconciliations/${encodeURIComponent(recipient)}`, this.urlOf(recipient));
    const response = await this.ask('connector', url, {});
    if (response.status === 404) return null;
    return this.read('connector', response);
  }

  /** @returns whether one has begun; false while another runs @throws Refusal when this partner cannot be read */
  async reconcile(recipient: string): Promise<boolean> {
    const url = new URL('/v1/reconciliations', this.urlOf(recipient));
    const response = await this.ask('connector', url, { body: { recipient } });
    if (response.status === 409) return false;
    if (response.status === 404)
      throw new Refusal('cannot-be-read', 404, 'This partner has no way to be asked what it holds.');
    await this.read('connector', response);
    return true;
  }

  private urlOf(recipient: string): string {
    const url = this.knows(recipient) ? this.options.urls[recipient] : undefined;
    if (url === undefined)
      throw new Refusal(
        'no-connector',
        409,
        'The address of this recipient’s connector is not configured (CONNECTOR_URLS).',
      );
    return url;
  }

  /** The name of a person in Kafka and in every table, also of one nobody has heard of. */
  async subjectKey(subjectId: string): Promise<string> {
    const answer = await this.post(new URL('/v1/subject-keys', this.options.consentUrl), { subjectIds: [subjectId] });
    const [first] = [member(answer, 'subjects')].flat();
    const key = member(first, 'subjectKey');
    if (typeof key !== 'string') throw failed('consent service', 'gave an answer that cannot be read');
    return key;
  }

  private async post(url: URL, body: object): Promise<unknown> {
    const who = url.pathname.startsWith('/v1/parked') ? 'connector' : 'consent service';
    return this.read(who, await this.ask(who, url, { body }));
  }

  private async ask(who: Asked, url: URL, { body }: { readonly body?: object }): Promise<Response> {
    const { tokens } = this.options;
    try {
      const response = await fetch(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${await tokens.getToken()}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      if (response.status === 401) tokens.discard();
      return response;
    } catch (cause) {
      throw failed(who, 'does not answer', cause);
    }
  }

  private async read(who: Asked, response: Response): Promise<unknown> {
    if (!response.ok) throw failed(who, `answered ${response.status}`);
    return response.json().catch((cause: unknown) => {
      throw failed(who, 'gave an answer that cannot be read', cause);
    });
  }
}

type Asked = 'connector' | 'consent service';

function failed(who: Asked, what: string, cause?: unknown): Refusal {
  const refusal = new Refusal('upstream-failed', 502, `The ${who} ${what}. Nothing is known to have changed.`);
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
