import { ValidateBy, type ValidationOptions } from 'class-validator';

/** Purpose → id at the partner, at least one; each id of this form. */
export const AreIdsPerPurpose = (form: RegExp, options: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    { name: 'areIdsPerPurpose', validator: { validate: (value: unknown) => isIdPerPurpose(value, form) } },
    options,
  );

function isIdPerPurpose(value: unknown, form: RegExp): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const ids = Object.values(value);
  return ids.length > 0 && ids.every((id) => typeof id === 'string' && form.test(id));
}
