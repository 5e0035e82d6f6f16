import { Refusal } from '@entente/http';
import type { DemoView } from '../read/views/demo.ts';

const answerTimeoutMs = 30_000;

/** Breaks and mends the partners of a local stack. There is none in production: its configuration is refused. */
export class DemoWorld {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  view(): Promise<DemoView> {
    return this.ask('/') as Promise<DemoView>;
  }

  switches(recipient: string, on: readonly string[]): Promise<DemoView> {
    return this.ask('/switches', { recipient, on }) as Promise<DemoView>;
  }

  /** @returns how many people were given to the partner again behind our back */
  async reimport(recipient: string): Promise<number> {
    return ((await this.ask('/re-imports', { recipient })) as { people: number }).people;
  }

  private async ask(path: string, body?: object): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url), {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
    } catch (cause) {
      throw failed('The demo world does not answer.', cause);
    }
    const answer: unknown = await response.json().catch((cause: unknown) => {
      throw failed('The demo world gave an answer that cannot be read.', cause);
    });
    if (response.ok) return answer;
    const detail: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'detail') : '';
    throw new Refusal('demo-refused', response.status === 404 ? 404 : 502, `The demo world: ${String(detail)}.`);
  }
}

function failed(detail: string, cause: unknown): Refusal {
  const refusal = new Refusal('demo-unreachable', 502, detail);
  refusal.cause = cause;
  return refusal;
}
