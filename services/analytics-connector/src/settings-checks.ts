import { ValidateBy, type ValidationOptions } from 'class-validator';
import { createPrivateKey } from 'node:crypto';

/** For `IsUrl`: hosts without a top-level domain too, since partners are also reached through proxies and in tests. */
export const httpUrl = { require_tld: false, protocols: ['https', 'http'], require_protocol: true };

/** Purpose → property of a person at the partner, at least one; two purposes in one property could not be told apart. */
export const IsPropertyPerPurpose = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isPropertyPerPurpose', validator: { validate: isPropertyPerPurpose } }, options);

function isPropertyPerPurpose(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names: unknown[] = Object.values(value);
  const isName = (name: unknown): boolean => typeof name === 'string' && /^[A-Za-z_][\w .-]{0,119}$/.test(name);
  return names.length > 0 && names.every(isName) && new Set(names).size === names.length;
}

export const IsRsaPrivateKey = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isRsaPrivateKey', validator: { validate: isRsaKey } }, options);

function isRsaKey(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  try {
    return createPrivateKey(value).asymmetricKeyType === 'rsa';
  } catch {
    // Whatever OpenSSL says about it, it is no key; its message may quote the text.
    return false;
  }
}
