/** One place in the request body (JSON Pointer, RFC 6901; '' is the whole body) and what is wrong there. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface RefusalExtra {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem document. */
  readonly [member: string]: unknown;
}

/**
 * The rule says no: the caller gets `status` and a problem document with a stable `code` (RFC 9457).
 * Anything thrown that is not a refusal is a fault, logged whole and shown as a bare 500.
 * `detail` and `errors` go to the caller as they are: never put input values into them.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly extra: RefusalExtra;

  constructor(code: string, status: number, detail: string, extra: RefusalExtra = {}) {
    super(`${status} ${code}`);
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.extra = extra;
  }
}
