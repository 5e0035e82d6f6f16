import { ValidateBy, type ValidationOptions } from 'class-validator';
import { createPrivateKey } from 'node:crypto';

/** For `IsUrl`: hosts without a top-level domain too, since partners are also reached through proxies and in tests. */
export const httpUrl = { require_tld: false, protocols: ['https', 'http'], require_protocol: true };

export const IsRsaPrivateKey = (options?: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isRsaPrivateKey', validator: { validate: isRsaPrivateKey } }, options);

function isRsaPrivateKey(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  try {
    return createPrivateKey(value).asymmetricKeyType === 'rsa';
  } catch {
    // Whatever OpenSSL says about it, it is no key; its message may quote the text.
    return false;
  }
}
