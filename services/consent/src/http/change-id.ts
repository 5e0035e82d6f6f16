import { idPattern } from '@entente/contracts';
import { Refusal } from '@entente/http';

const changeId = new RegExp(`^(?:chg_)?(${idPattern.uuid.slice(1, -1)})$`);

/** The event id in a change id of the API, with or without its prefix. @throws Refusal */
export function changeUuid(text: string): string {
  const [, uuid] = changeId.exec(text) ?? [];
  if (uuid === undefined)
    throw new Refusal('bad-change-id', 400, 'The path does not hold a change id, like chg_0193….');
  return uuid;
}
