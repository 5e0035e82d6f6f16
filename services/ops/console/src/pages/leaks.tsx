import { useMemo, useState } from 'react';
import type { LeakLine, LeaksView } from '../../../src/read/views/leaks.ts';
import type { Overview } from '../../../src/read/views/overview.ts';
import { useLive } from '../data/live.ts';
import { Freshness } from '../parts/freshness.tsx';
import { Further } from '../parts/further.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Select } from '../parts/select.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** How far back one looks, milliseconds. */
const spans = { day: 86_400_000, month: 30 * 86_400_000 } as const;
const spanNames = ['all', 'day', 'month'] as const;
type Span = (typeof spanNames)[number];

/** Has anything left after a withdrawal: with the evidence, or with how much was looked at to say no. */
export function LeaksPage() {
  const words = useWords();
  const format = useFormat();
  const [recipient, setRecipient] = useState(() => new URLSearchParams(location.search).get('recipient') ?? '');
  const [span, setSpan] = useState<Span>('all');
  // Of one moment for as long as the choice stands: a list must not shift while it is read.
  const since = useMemo(
    () => (span === 'all' ? '' : new Date(performance.timeOrigin + performance.now() - spans[span]).toISOString()),
    [span],
  );
  const query = new URLSearchParams({ ...(recipient && { recipient }), ...(since && { since }) }).toString();
  const path = query === '' ? '/v1/leaks' : `/v1/leaks?${query}`;
  const live = useLive<LeaksView>(path);
  const overview = useLive<Overview>('/v1/overview');
  const recipients = (overview.data?.connectors ?? []).map(({ recipient: id, name }) => ({ value: id, text: name }));
  const { data } = live;
  const said = data && sentenceOf(data, words, format);
  const table = { caption: words.leaks.caption, columns: columns(words, format), rowKey };
  return (
    <Page title={words.leaks.title} aside={<Freshness live={live} />}>
      {said ? (
        <Sentence tone={said.tone}>{said.text}</Sentence>
      ) : (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      )}
      <p className="lead">{words.leaks.intro}</p>
      <div className="choices">
        <Select
          label={words.overview.recipient}
          value={recipient}
          onChange={setRecipient}
          options={[{ value: '', text: words.stuck.allRecipients }, ...recipients]}
        />
        <Select
          label={words.leaks.since}
          value={span}
          onChange={(value) => setSpan(spanNames.find((one) => one === value) ?? 'all')}
          options={spanNames.map((value) => ({ value, text: words.leaks.spans[value] }))}
        />
      </div>
      {live.problem && <Problem problem={live.problem} />}
      {data && data.items.length > 0 && (
        <>
          <p>{words.leaks.first}</p>
          <Table {...table} rows={data.items} />
          {data.next !== null && <Further key={path} path={path} after={data.next} {...table} />}
        </>
      )}
    </Page>
  );
}

const rowKey = ({ at, subject, recipient, purposes }: LeakLine): string =>
  [at, subject, recipient, ...purposes].join(' ');

/** Silence is not "0 leaks": without a send on record nothing was looked at. */
function sentenceOf(
  { items, next, looked }: LeaksView,
  { leaks, units }: Words,
  format: Format,
): { tone: 'good' | 'warn' | 'bad'; text: string } {
  const sends = format.counted(looked.sends, units.sends);
  if (items.length > 0) {
    const count = format.counted(items.length, units.leaks);
    return { tone: 'bad', text: next === null ? leaks.sentence.some(count) : leaks.sentence.atLeast(count) };
  }
  if (looked.since === null) return { tone: 'warn', text: leaks.sentence.unlooked };
  return { tone: 'good', text: leaks.sentence.none(format.moment(looked.since), sends) };
}

const columns = ({ leaks, overview }: Words, format: Format): Column<LeakLine>[] => [
  { key: 'at', title: leaks.at, cell: ({ at }) => <Time at={at} /> },
  {
    key: 'recipient',
    title: overview.recipient,
    cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
  },
  { key: 'purposes', title: overview.purposes, cell: ({ purposes }) => purposes.join(', ') },
  { key: 'person', title: overview.person, cell: ({ subject, subjectKey }) => <code>{subjectKey ?? subject}</code> },
  {
    key: 'after',
    title: leaks.after,
    cell: ({ changeId, withdrawnAt, at }) =>
      changeId === null || withdrawnAt === null ? (
        leaks.forgotten
      ) : (
        <PageLink to={addressOf.withdrawal(changeId)}>
          {leaks.later(format.span(Date.parse(at) - Date.parse(withdrawnAt)))}
        </PageLink>
      ),
  },
  { key: 'detector', title: leaks.detector, cell: ({ detector }) => leaks.detectors[detector] },
];
