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
    const url = this.knows(recipient) ? this.options.urls[recipient] : undefined;
    if (url === undefined)
      throw new Refusal(
        'no-connector',
        409,
        'The address of this recipient’s connector is not configured (CONNECTOR_URLS).',
      );
    const answer = await this.post(new URL('/v1/parked/replay', url), {
      recipient,
      ...(reason === null ? {} : { reason }),
      dryRun,
    });
    const replayed: unknown = member(answer, 'replayed');
    if (typeof replayed !== 'number') throw failed('connector', 'gave an answer that cannot be read');
    return replayed;
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
    const { tokens } = this.options;
    let response: Response;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${await tokens.getToken()}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
    } catch (cause) {
      throw failed(who, 'does not answer', cause);
    }
    if (response.status === 401) tokens.discard();
    if (!response.ok) throw failed(who, `answered ${response.status}`);
    return response.json().catch((cause: unknown) => {
      throw failed(who, 'gave an answer that cannot be read', cause);
    });
  }
}

function failed(who: 'connector' | 'consent service', what: string, cause?: unknown): Refusal {
  const refusal = new Refusal('upstream-failed', 502, `The ${who} ${what}. Nothing is known to have changed.`);
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
