import { idPattern, type CatalogueDocument, type SnapshotLine } from '@entente/contracts';

/** What a gate asks of the consent service. */
export interface ConsentApi {
  /** The snapshot line by line (GATE-1); throws on anything but a well-formed stream. */
  snapshot(signal: AbortSignal): AsyncIterable<SnapshotLine>;
  catalogue(signal: AbortSignal): Promise<CatalogueDocument>;
}

/** A catalogue line with every notice text is the longest; a line beyond this is not ours. */
const maxLineBytes = 32 * 1024 * 1024;
/** The service writes a page every few milliseconds: silence for this long is a dead connection. */
const silenceMs = 15_000;

export class ConsentApiError extends Error {
  override readonly name = 'ConsentApiError';
}

export class HttpConsentApi implements ConsentApi {
  readonly #base: URL;
  readonly #token: () => Promise<string>;

  constructor(consentUrl: string, token: () => Promise<string>) {
    this.#base = new URL(consentUrl.endsWith('/') ? consentUrl : `${consentUrl}/`);
    this.#token = token;
  }

  async *snapshot(signal: AbortSignal): AsyncIterable<SnapshotLine> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(new ConsentApiError('the snapshot fell silent')), silenceMs);
    try {
      const response = await this.#get('v1/gate/snapshot', AbortSignal.any([signal, silence.signal]));
      if (response.body === null) throw new ConsentApiError('the snapshot has no body');
      for await (const line of lines(response.body, () => {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(new ConsentApiError('the snapshot fell silent')), silenceMs);
      }))
        yield snapshotLine(line);
    } finally {
      clearTimeout(timer);
    }
  }

  async catalogue(signal: AbortSignal): Promise<CatalogueDocument> {
    const response = await this.#get('v1/catalogue', AbortSignal.any([signal, AbortSignal.timeout(silenceMs)]));
    const document: unknown = await response.json();
    if (!isCatalogue(document)) throw new ConsentApiError('not a catalogue');
    return document;
  }

  async #get(path: string, signal: AbortSignal): Promise<Response> {
    const authorization = `Bearer ${await this.#token()}`;
    const response = await fetch(new URL(path, this.#base), { headers: { authorization }, redirect: 'error', signal });
    if (response.status === 200) return response;
    await response.body?.cancel();
    throw new ConsentApiError(`${path} answered ${response.status}`);
  }
}

/** Splits a stream at line feeds; holds one line and one chunk at a time. */
export async function* lines(stream: AsyncIterable<Uint8Array>, onChunk: () => void = () => {}): AsyncIterable<string> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of stream) {
    onChunk();
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      parts.push(chunk.subarray(from, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      held = 0;
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > maxLineBytes) throw new ConsentApiError('a line of the snapshot is too long');
  }
  if (held > 0) yield Buffer.concat(parts).toString('utf8');
}

const subjectKeyShape = new RegExp(idPattern.subjectKey);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function isCatalogue(value: unknown): value is CatalogueDocument {
  if (!isRecord(value)) return false;
  return isCount(value['number']) && ['purposes', 'notices', 'recipients'].every((part) => Array.isArray(value[part]));
}

function snapshotLine(text: string): SnapshotLine {
  const line: unknown = parse(text);
  if (isRecord(line) && isSnapshotLine(line)) return line as unknown as SnapshotLine;
  throw new ConsentApiError('a line of the snapshot has another shape');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConsentApiError('a line of the snapshot is not JSON');
  }
}

function isSnapshotLine(line: Record<string, unknown>): boolean {
  switch (line['kind']) {
    case 'catalogue':
      return isCount(line['incarnation']) && isCatalogue(line['catalogue']);
    case 'subject':
      return subjectKeyShape.test(String(line['subjectKey'])) && isCount(line['version']) && isRecord(line['vector']);
    case 'end':
      return isCount(line['subjects']) && isRecord(line['ledger']);
    default:
      return false;
  }
}
