import type { WithdrawalLine } from './overview.ts';

export interface PersonView {
  readonly at: string;
  readonly subject: string;
  readonly withdrawals: readonly WithdrawalLine[];
}
