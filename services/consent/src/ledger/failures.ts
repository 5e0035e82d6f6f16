import { Refusal } from '@entente/http';
import { CommitUnknown } from '@entente/postgres';

const tryAgain = { headers: { 'retry-after': '1' } };

export const gaveUp = (lastError: unknown): Error =>
  lastError instanceof CommitUnknown
    ? new Refusal(
        'outcome-unknown',
        503,
        'It is not known whether this was recorded; send it again to find out.',
        tryAgain,
      )
    : new Refusal('not-recorded', 503, 'The database could not record this now; nothing was recorded.', tryAgain);

export const overloaded = (): Error =>
  new Refusal('overloaded', 503, 'Too many requests are waiting to be recorded.', tryAgain);
