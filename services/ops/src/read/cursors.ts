import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
/** The longest sort key is a leak's, whose purposes may be 4,000 characters. */
const longest = 8_000;

/** One list of one controller: the sort key of the last row shown, sealed, so that a cursor tells nothing of whom it stands at. */
export interface Cursors {
  seal(key: readonly (string | number)[]): string;
  /** @returns null for what this list has not given to this controller */
  open(cursor: string): unknown;
}

/** @param secret the same for every instance of the service, so that a page can be asked of any of them */
export function sealedCursors(secret: string): (list: string, controller: string) => Cursors {
  const sealingKey = Buffer.from(hkdfSync('sha256', secret, '', 'entente ops cursors', 32));
  return (list, controller) => {
    const owner = Buffer.from(`${list}\0${controller}`);
    return {
      seal: (key) => {
        const nonce = randomBytes(nonceBytes);
        const cipher = createCipheriv(algorithm, sealingKey, nonce).setAAD(owner);
        const text = Buffer.concat([cipher.update(JSON.stringify(key), 'utf8'), cipher.final()]);
        return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url');
      },
      open: (cursor) => {
        if (cursor.length > longest || !/^[\w-]+$/.test(cursor)) return null;
        const sealed = Buffer.from(cursor, 'base64url');
        if (sealed.length <= nonceBytes + tagBytes) return null;
        const nonce = sealed.subarray(0, nonceBytes);
        const tag = sealed.subarray(nonceBytes, nonceBytes + tagBytes);
        const decipher = createDecipheriv(algorithm, sealingKey, nonce).setAAD(owner).setAuthTag(tag);
        try {
          const text =
            decipher.update(sealed.subarray(nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8');
          return JSON.parse(text) as unknown;
        } catch {
          // Not ours, or not as we made it.
          return null;
        }
      },
    };
  };
}
