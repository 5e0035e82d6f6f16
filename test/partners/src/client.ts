import { isJournalLine, type JournalLine } from './journal.ts';
import type { Fault } from './faults.ts';

/** The tests' hand on a running contract server. */
export interface ContractServerControl {
  /** Replaces all faults in force. */
  setFaults(...faults: readonly Fault[]): Promise<void>;
  clearFaults(): Promise<void>;
  /** The faults in force with how often each has struck. */
  faults(): Promise<readonly (Fault & { readonly hits: number })[]>;
  /** The whole store, or what it holds of one identifier. */
  state(id?: string): Promise<unknown>;
  /** The journal from line number `from` on. */
  journal(from?: number): Promise<readonly JournalLine[]>;
  advanceClock(ms: number): Promise<void>;
}

async function call(controlUrl: string, method: string, path: string, body?: unknown): Promise<Response> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await fetch(`${controlUrl}${path}`, init);
  if (!response.ok)
    throw new Error(`contract server: ${method} ${path} answered ${response.status}: ${await response.text()}`);
  return response;
}

export function controlOf(controlUrl: string): ContractServerControl {
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    await (await call(controlUrl, method, path, body)).arrayBuffer();
  };
  return {
    setFaults: (...faults) => done('PUT', '/faults', faults),
    clearFaults: () => done('DELETE', '/faults'),
    async faults() {
      const answer = (await (await call(controlUrl, 'GET', '/faults')).json()) as {
        faults: (Fault & { hits: number })[];
      };
      return answer.faults;
    },
    async state(id) {
      const query = id === undefined ? '' : `?id=${encodeURIComponent(id)}`;
      return (await call(controlUrl, 'GET', `/state${query}`)).json();
    },
    async journal(from = 0) {
      const text = await (await call(controlUrl, 'GET', `/journal?from=${from}`)).text();
      return text.split('\n').filter(Boolean).map(journalLine);
    },
    advanceClock: (ms) => done('POST', '/clock', { advanceMs: ms }),
  };
}

function journalLine(text: string): JournalLine {
  const line: unknown = JSON.parse(text);
  if (!isJournalLine(line)) throw new Error('contract server: not a journal line');
  return line;
}
