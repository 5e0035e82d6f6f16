import { randomUUID } from 'node:crypto';
import type { TokenSource } from '@entente/http';
import type { CanarySettings } from './canary-settings.ts';
import type { Offered } from './judge-run.ts';

/** Longer than a share may be waited for. */
const answerTimeoutMs = 35_000;

/** The service that was asked did not do what it was asked; the run ends as `error`. */
export class CanaryCannotRun extends Error {
  override readonly name = 'CanaryCannotRun';
  constructor(
    /** Stable word for the operator. */
    readonly reason: string,
    cause?: unknown,
  ) {
    super(reason, { cause });
  }
}

export interface CanaryCallsOptions {
  readonly consentUrl: string;
  /** Recipient → address of its connector. */
  readonly connectorUrls: Readonly<Record<string, string>>;
  /** A client of the canary's own: it may grant, withdraw and share, which this service otherwise may not. */
  readonly tokens: TokenSource;
}

/** What the canary does, by the same public API as everybody else. */
export class CanaryCalls {
  constructor(private readonly options: CanaryCallsOptions) {}

  /** @returns the version at which it stands granted */
  async grant(subjectId: string, { purpose, notice, email, phone }: CanarySettings): Promise<number> {
    const [id, version] = notice.split('@');
    const answer = await this.post('consent', new URL('/v1/consents', this.options.consentUrl), {
      subjectId,
      notice: { id, version: Number(version) },
      decisions: [{ purpose, decision: 'granted' }],
      identifiers: { ...(email === undefined ? {} : { email }), ...(phone === undefined ? {} : { phone }) },
    });
    return numberIn(answer, 'version', 'consent');
  }

  /** Answered when no gate can let anything through any more (GATE-6). @returns the change's id */
  async withdraw(subjectId: string, purpose: string): Promise<{ changeId: string; version: number }> {
    const url = new URL('/v1/withdrawals?wait=gates', this.options.consentUrl);
    const answer = await this.post('consent', url, { subjectId, purposes: [purpose] });
    const changeId = member(answer, 'changeId');
    if (typeof changeId !== 'string') throw new CanaryCannotRun('consent-unreadable');
    return { changeId, version: numberIn(answer, 'version', 'consent') };
  }

  /** Offers one item for sending and waits for what becomes of it. */
  async offer(
    item: { recipient: string; subjectId: string; atLeastVersion: number; waitMs: number },
    { purpose, fields }: CanarySettings,
  ): Promise<Offered> {
    const { recipient, subjectId, atLeastVersion, waitMs } = item;
    const { connectorUrls } = this.options;
    if (!Object.hasOwn(connectorUrls, recipient)) throw new CanaryCannotRun('no-connector-address');
    const answer = await this.post('connector', new URL('/v1/shares', connectorUrls[recipient]), {
      shares: [{ recipient, purpose, subjectId, fields, atLeastVersion }],
      waitMs,
    });
    const [first] = [member(answer, 'results')].flat();
    const outcome = member(first, 'outcome');
    if (outcome === 'sent' || outcome === 'denied' || outcome === 'held' || outcome === 'failed') return outcome;
    throw new CanaryCannotRun('connector-unreadable');
  }

  private async post(who: 'consent' | 'connector', url: URL, body: object): Promise<unknown> {
    const { tokens } = this.options;
    let response: Response;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await tokens.getToken()}`,
          'content-type': 'application/json',
          'idempotency-key': randomUUID(),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
    } catch (cause) {
      throw new CanaryCannotRun(`${who}-unreachable`, cause);
    }
    if (response.status === 401) tokens.discard();
    if (!response.ok) throw new CanaryCannotRun(`${who}-answered-${response.status}`);
    return response.json().catch((cause: unknown) => {
      throw new CanaryCannotRun(`${who}-unreadable`, cause);
    });
  }
}

function numberIn(answer: unknown, name: string, who: string): number {
  const value = member(answer, name);
  if (typeof value !== 'number') throw new CanaryCannotRun(`${who}-unreadable`);
  return value;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
