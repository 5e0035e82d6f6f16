import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { compactVerify, decodeProtectedHeader, errors, importJWK } from 'jose';
import type { JWK } from 'jose';
import { leafOf } from '../ledger/entry.ts';
import { receiptSchema, receiptType } from './receipt.ts';
import type { ReceiptPayload } from './receipt.ts';

/** Public keys, those in use and those retired (J-2). */
export interface ReceiptJwks {
  readonly keys: readonly JWK[];
}

export type ReceiptFault = 'malformed' | 'wrong-type' | 'unknown-key' | 'bad-signature' | 'bad-content';

/** J-3: the same wherever it is judged. A true receipt proves what was recorded then, not what holds now. */
export type ReceiptVerdict =
  | { readonly valid: true; readonly kid: string; readonly payload: ReceiptPayload }
  | { readonly valid: false; readonly fault: ReceiptFault; readonly detail: string };

const ajv = new Ajv2020({ strict: true, strictTuples: false, strictRequired: false });
addFormats.default(ajv, ['date-time']);
let compiled: ValidateFunction<ReceiptPayload> | undefined;
/** Compiled when first asked for. */
const shape = (): ValidateFunction<ReceiptPayload> => (compiled ??= ajv.compile<ReceiptPayload>(receiptSchema));

/** `Ed25519` is the newer name of the same algorithm (RFC 9864). */
const algorithms = ['EdDSA', 'Ed25519'];

/** Judges a compact JWS by these keys alone: no network, no clock. */
export async function verifyReceipt(receipt: string, { keys }: ReceiptJwks): Promise<ReceiptVerdict> {
  const header = headerOf(receipt);
  if (header === null) return invalid('malformed', 'This is not a compact JWS.');
  if (header.typ !== receiptType) return invalid('wrong-type', `The header's typ is not ${receiptType}.`);
  const jwk = keys.find(({ kid }) => kid !== undefined && kid === header.kid);
  if (jwk?.kid === undefined) return invalid('unknown-key', 'The key that signed it is not among the given keys.');
  const { kty, crv, x } = jwk;
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined)
    return invalid('unknown-key', 'The key of that name is not an Ed25519 key.');
  const bytes = await signedBytes(receipt, { kty, crv, x });
  if (bytes === null) return invalid('bad-signature', 'The signature does not fit the receipt.');
  const payload = parseJson(bytes);
  const fits = shape();
  if (!fits(payload)) {
    const [first] = fits.errors ?? [];
    return invalid('bad-content', `${first?.instancePath || '/'} ${first?.message ?? 'is not a receipt'}`);
  }
  const { commitment, leaf_hash: leaf } = payload.ledger;
  if (leafOf(Buffer.from(commitment, 'hex')).toString('hex') !== leaf)
    return invalid('bad-content', '/ledger/leaf_hash is not the leaf of its commitment');
  return { valid: true, kid: jwk.kid, payload };
}

const invalid = (fault: ReceiptFault, detail: string): ReceiptVerdict => ({ valid: false, fault, detail });

/** Null for anything but three parts in the one encoding that each has. */
function headerOf(receipt: string): { typ?: string; kid?: string } | null {
  const parts = receipt.split('.');
  if (parts.length !== 3 || !parts.every(isCanonical)) return null;
  try {
    const { typ, kid } = decodeProtectedHeader(receipt);
    return { ...(typ === undefined ? {} : { typ }), ...(kid === undefined ? {} : { kid }) };
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return null;
    throw error;
  }
}

const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part;

async function signedBytes(receipt: string, jwk: JWK): Promise<Uint8Array | null> {
  try {
    return (await compactVerify(receipt, await importJWK(jwk, 'EdDSA'), { algorithms })).payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
