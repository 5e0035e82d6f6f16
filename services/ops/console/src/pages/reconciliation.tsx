import { Button } from 'react-aria-components/Button';
import type { ReconciliationLine, ReconciliationsView } from '../../../src/read/views/reconciliations.ts';
import { useAction } from '../data/action.ts';
import { useLive } from '../data/live.ts';
import { useSession } from '../data/session.ts';
import { Freshness } from '../parts/freshness.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { ResultMark } from '../parts/result-mark.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** What partners hold against what people decided: the only look at a partner that takes nobody's word for it. */
export function ReconciliationPage() {
  const words = useWords();
  const format = useFormat();
  const { role } = useSession();
  const live = useLive<ReconciliationsView>('/v1/reconciliations');
  const action = useAction();
  const { data } = live;
  const said = data && sentenceOf(data, words, format);
  const findings = (data?.recipients ?? []).flatMap(({ name, findings: found }) =>
    found.map((finding, index) => ({ ...finding, name, key: `${name} ${index}` })),
  );
  return (
    <Page title={words.reconciliation.title} aside={<Freshness live={live} />}>
      {said ? (
        <Sentence tone={said.tone}>{said.text}</Sentence>
      ) : (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      )}
      <p className="lead">{words.reconciliation.intro}</p>
      {live.problem && <Problem problem={live.problem} />}
      {action.problem && <Problem problem={action.problem} />}
      {data && data.recipients.length === 0 && <p className="quiet">{words.empty.recipients}</p>}
      {data && data.recipients.length > 0 && (
        <>
          <Table
            caption={words.reconciliation.caption}
            columns={columns(words, format, role !== 'viewer', action.start)}
            rows={data.recipients}
            rowKey={({ recipient }) => recipient}
          />
          <p className="quiet note">{words.reconciliation.words}</p>
          {findings.length > 0 ? (
            <Table
              caption={words.reconciliation.findings}
              columns={findingColumns(words)}
              rows={findings}
              rowKey={({ key }) => key}
            />
          ) : (
            data.recipients.some(({ state }) => state === 'done') && (
              <p className="quiet">{words.reconciliation.noFindings}</p>
            )
          )}
        </>
      )}
    </Page>
  );
}

/** Silence first: what is not known is never said to be clean. */
function sentenceOf(
  { recipients }: ReconciliationsView,
  { reconciliation, units }: Words,
  format: Format,
): { tone: 'good' | 'warn' | 'bad'; text: string } {
  const { sentence } = reconciliation;
  const sum = (kind: 'extra' | 'checked'): number =>
    recipients.reduce((total, { counts }) => total + (counts?.[kind] ?? 0), 0);
  const silent = recipients.filter(({ state }) => state === 'unreachable' || state === 'failed');
  if (sum('extra') > 0) return { tone: 'bad', text: sentence.extra(format.counted(sum('extra'), units.people)) };
  if (silent.length > 0) return { tone: 'warn', text: sentence.silent(silent.map(({ name }) => name).join(', ')) };
  if (!recipients.some(({ state }) => state === 'done')) return { tone: 'warn', text: sentence.none };
  return { tone: 'good', text: sentence.clean(format.counted(sum('checked'), units.people)) };
}

const toneOf = {
  never: 'calm',
  running: 'calm',
  done: 'good',
  failed: 'bad',
  unreachable: 'bad',
  'no-connector': 'calm',
} as const;
const kinds = ['checked', 'extra', 'repaired', 'stale', 'missing', 'unreadable'] as const;
const grave: ReadonlySet<string> = new Set(['extra', 'unreadable']);

const columns = (
  words: Words,
  format: Format,
  mayStart: boolean,
  start: (path: string) => void,
): Column<ReconciliationLine>[] => {
  const { reconciliation, overview, parked } = words;
  return [
    {
      key: 'recipient',
      title: overview.recipient,
      cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
    },
    {
      key: 'state',
      title: reconciliation.state,
      cell: ({ state, reason }) => (
        <span className="two-lines">
          <ResultMark tone={toneOf[state]}>{reconciliation.states[state]}</ResultMark>
          {reason !== null && <code className="quiet small">{reason}</code>}
        </span>
      ),
    },
    {
      key: 'ended',
      title: reconciliation.ended,
      cell: ({ endedAt }) => (endedAt === null ? '–' : <Time at={endedAt} />),
    },
    ...kinds.map((kind): Column<ReconciliationLine> => ({
      key: kind,
      title: reconciliation[kind],
      numeric: true,
      cell: ({ counts }) =>
        counts === null ? (
          '–'
        ) : (
          <span className={counts[kind] === 0 ? 'zero' : grave.has(kind) ? 'strong' : ''}>
            {format.count(counts[kind])}
          </span>
        ),
    })),
    {
      key: 'action',
      title: reconciliation.compare,
      cell: ({ recipient, name, state }) =>
        state === 'no-connector' ? (
          '–'
        ) : mayStart ? (
          <Button
            isDisabled={state === 'running'}
            aria-label={reconciliation.compareAt(name)}
            onPress={() => start(`/v1/reconciliations/${encodeURIComponent(recipient)}`)}
          >
            {reconciliation.compare}
          </Button>
        ) : (
          <span className="quiet">{parked.needsRole}</span>
        ),
    },
  ];
};

type Found = ReconciliationLine['findings'][number] & { readonly name: string; readonly key: string };

const findingColumns = (words: Words): Column<Found>[] => {
  const { reconciliation, overview, withdrawal } = words;
  return [
    { key: 'recipient', title: overview.recipient, cell: ({ name }) => name },
    {
      key: 'kind',
      title: reconciliation.kind,
      cell: ({ kind }) =>
        Object.hasOwn(reconciliation.kinds, kind)
          ? reconciliation.kinds[kind as keyof Words['reconciliation']['kinds']]
          : kind,
    },
    { key: 'person', title: overview.person, cell: ({ subject }) => <code>{subject}</code> },
    { key: 'purposes', title: overview.purposes, cell: ({ purposes }) => purposes.join(', ') || '–' },
    {
      key: 'reason',
      title: withdrawal.reason,
      cell: ({ reason }) => (reason === null ? '–' : <code>{reason}</code>),
    },
  ];
};
