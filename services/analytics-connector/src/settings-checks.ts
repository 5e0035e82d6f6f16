import { ValidateBy, type ValidationOptions } from 'class-validator';

/** Purpose → property of a person at the partner, at least one; two purposes in one property could not be told apart. */
export const IsPropertyPerPurpose = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isPropertyPerPurpose', validator: { validate: isPropertyPerPurpose } }, options);

function isPropertyPerPurpose(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names: unknown[] = Object.values(value);
  const isName = (name: unknown): boolean => typeof name === 'string' && /^[A-Za-z_][\w .-]{0,119}$/.test(name);
  return names.length > 0 && names.every(isName) && new Set(names).size === names.length;
}
