import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';

/** What an operator is told about a recipient's settings, as the service does at its start. */
export function settingsFaults<S extends object>(settings: new () => S, given: object): string {
  const errors = validateSync(plainToInstance(settings, given), { whitelist: true, forbidNonWhitelisted: true });
  return errors.flatMap(({ constraints }) => Object.values(constraints ?? {})).join('; ');
}
