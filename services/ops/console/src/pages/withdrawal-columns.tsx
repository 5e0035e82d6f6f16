import type { WithdrawalLine } from '../../../src/read/views/overview.ts';
import { PageLink } from '../parts/link.tsx';
import type { Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import type { Format } from '../words/format.ts';

/** Withdrawals in a list, wherever there is one. */
export const withdrawalColumns = (words: Words, format: Format): Column<WithdrawalLine>[] => {
  const { overview } = words;
  const share = (done: number, all: number): string => overview.of(format.count(done), format.count(all));
  return [
    {
      key: 'when',
      title: overview.when,
      cell: ({ changeId, committedAt }) => (
        <PageLink to={addressOf.withdrawal(changeId)}>
          <Time at={committedAt} />
        </PageLink>
      ),
    },
    { key: 'person', title: overview.person, cell: ({ subject }) => <code>{subject}</code> },
    { key: 'purposes', title: overview.purposes, cell: ({ purposes }) => purposes.join(', ') },
    {
      key: 'gates',
      title: overview.gates,
      numeric: true,
      cell: ({ gatesClosed, recipients }) => share(gatesClosed, recipients),
    },
    {
      key: 'settled',
      title: overview.settled,
      numeric: true,
      cell: ({ settled, recipients }) => share(settled, recipients),
    },
    {
      key: 'took',
      title: overview.took,
      numeric: true,
      cell: ({ slowestMs }) => (slowestMs === null ? overview.open : format.span(slowestMs)),
    },
  ];
};
