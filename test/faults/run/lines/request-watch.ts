/** One request as it passed: when its first byte did, and whom it names. */
export interface SeenRequest {
  readonly method: string;
  /** With its query, decoded. */
  readonly path: string;
  /** Everything in path and body that names a person, each once. */
  readonly names: readonly string[];
  /** The body asks for data to be taken, as far as path and body tell. */
  readonly isShare: boolean;
  /** The body came whole. */
  readonly whole: boolean;
}

/** The three ways in which the contract servers know a person: e-mail address, customer number, SHA-256. */
const names = /person\.\d{6}@example\.org|cust-[0-9a-f]{10}|\b[0-9a-f]{64}\b/g;
const headEnd = Buffer.from('\r\n\r\n');
const chunkedEnd = Buffer.from('0\r\n\r\n');

/** Which requests hand over data, by the partners' documented addresses. */
function isShare(method: string, path: string, body: string): boolean {
  if (method !== 'POST') return false;
  if (path.includes('/contacts/batch/upsert')) return true;
  if (path.startsWith('/v1/batch')) return !body.includes('Segment Consent Preference Updated');
  return /\/users(\?|$)/.test(path);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Finds the requests in what a client sends on one HTTP/1.1 connection (RFC 9112 §6: length, or chunks). */
export class RequestWatch {
  readonly #began: () => void;
  readonly #seen: (request: SeenRequest) => void;
  #bytes: Buffer[] = [];
  #size = 0;
  /** Of the request under way, once its head is whole. */
  #needs: { readonly from: number; readonly length: number | 'chunked' } | null = null;

  /** @param began at the first byte of each request, before anything else is done with it */
  constructor(began: () => void, seen: (request: SeenRequest) => void) {
    this.#began = began;
    this.#seen = seen;
  }

  sent(chunk: Buffer): void {
    if (this.#size === 0) this.#began();
    this.#bytes.push(chunk);
    this.#size += chunk.length;
    if (this.#needs === null) this.#needs = needsOf(this.#joined());
    if (this.#needs !== null && this.#isWhole(this.#needs)) this.#tell(true);
  }

  /** The connection is over: what had begun was all there was. */
  ended(): void {
    if (this.#size > 0) this.#tell(false);
  }

  #joined(): Buffer {
    if (this.#bytes.length > 1) this.#bytes = [Buffer.concat(this.#bytes)];
    return this.#bytes[0] ?? Buffer.alloc(0);
  }

  #isWhole({ from, length }: { readonly from: number; readonly length: number | 'chunked' }): boolean {
    if (length !== 'chunked') return this.#size >= from + length;
    return this.#joined().subarray(-chunkedEnd.length).equals(chunkedEnd);
  }

  #tell(whole: boolean): void {
    const text = this.#joined().toString('utf8');
    this.#bytes = [];
    this.#size = 0;
    this.#needs = null;
    const [method = '', target = ''] = text.slice(0, text.indexOf('\r\n')).split(' ');
    const path = decoded(target);
    const body = text.slice(text.indexOf('\r\n\r\n') + headEnd.length);
    const named = new Set(`${path} ${decoded(body)}`.match(names));
    this.#seen({ method, path, names: [...named], isShare: isShare(method, path, body), whole });
  }
}

/** Null while the head has not come whole. */
function needsOf(bytes: Buffer): { readonly from: number; readonly length: number | 'chunked' } | null {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return null;
  const head = bytes.toString('latin1', 0, end);
  const from = end + headEnd.length;
  if (/^transfer-encoding:.*chunked/im.test(head)) return { from, length: 'chunked' };
  return { from, length: Number(/^content-length:\s*(\d+)/im.exec(head)?.[1] ?? 0) };
}
