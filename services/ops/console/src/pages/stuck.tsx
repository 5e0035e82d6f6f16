import { useState } from 'react';
import type { Overview } from '../../../src/read/views/overview.ts';
import type { StuckLine } from '../../../src/read/views/stuck.ts';
import type { ListPage } from '../../../src/read/views/words.ts';
import { useLive } from '../data/live.ts';
import { Freshness } from '../parts/freshness.tsx';
import { Further } from '../parts/further.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Select } from '../parts/select.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

const states = ['waiting', 'retrying', 'parked'] as const;

/** What is not enforced, oldest first. The first page is live; what comes after it is asked for. */
export function StuckPage() {
  const words = useWords();
  const format = useFormat();
  const [recipient, setRecipient] = useState(() => new URLSearchParams(location.search).get('recipient') ?? '');
  const [state, setState] = useState('');
  const query = new URLSearchParams({ ...(recipient && { recipient }), ...(state && { state }) }).toString();
  const path = query === '' ? '/v1/stuck' : `/v1/stuck?${query}`;
  const live = useLive<ListPage<StuckLine>>(path);
  const overview = useLive<Overview>('/v1/overview');
  const { data } = live;
  const oldest = data?.items[0];
  const recipients = (overview.data?.connectors ?? []).map(({ recipient: id, name }) => ({ value: id, text: name }));
  const table = { caption: words.stuck.caption, columns: columns(words, format), rowKey };
  return (
    <Page title={words.stuck.title} aside={<Freshness live={live} />}>
      {data === null ? (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      ) : oldest ? (
        <Sentence tone={oldest.blame === 'none' ? 'good' : 'warn'}>
          {words.stuck.sentence(format.span(oldest.ageS * 1_000))}
        </Sentence>
      ) : (
        <Sentence tone="good">{query === '' ? words.stuck.none : words.stuck.noneHere}</Sentence>
      )}
      <div className="choices">
        <Select
          label={words.stuck.recipient}
          value={recipient}
          onChange={setRecipient}
          options={[{ value: '', text: words.stuck.allRecipients }, ...recipients]}
        />
        <Select
          label={words.stuck.state}
          value={state}
          onChange={setState}
          options={[
            { value: '', text: words.stuck.allStates },
            ...states.map((value) => ({ value, text: words.state[value] })),
          ]}
        />
      </div>
      {live.problem && <Problem problem={live.problem} />}
      {data && data.items.length > 0 && (
        <>
          <Table {...table} rows={data.items} />
          {data.next !== null && <Further key={path} path={path} after={data.next} {...table} />}
        </>
      )}
    </Page>
  );
}

const rowKey = ({ changeId, recipient }: StuckLine): string => `${changeId} ${recipient}`;

const columns = ({ stuck, state, blame }: Words, format: Format): Column<StuckLine>[] => [
  {
    key: 'when',
    title: stuck.age,
    cell: ({ changeId, ageS }) => <PageLink to={addressOf.withdrawal(changeId)}>{format.span(ageS * 1_000)}</PageLink>,
  },
  {
    key: 'recipient',
    title: stuck.recipient,
    cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
  },
  { key: 'state', title: stuck.state, cell: ({ state: one }) => state[one] },
  { key: 'reason', title: stuck.reason, cell: ({ reason }) => (reason === null ? '–' : <code>{reason}</code>) },
  { key: 'blame', title: stuck.blame, cell: ({ blame: one }) => blame[one] },
  {
    key: 'gate',
    title: stuck.gate,
    cell: ({ gateClosed }) => (gateClosed ? stuck.gateClosed : <strong>{stuck.gateOpen}</strong>),
  },
  { key: 'attempts', title: stuck.attempts, numeric: true, cell: ({ attempts }) => format.count(attempts) },
  { key: 'person', title: stuck.person, cell: ({ subject }) => <code>{subject}</code> },
];
