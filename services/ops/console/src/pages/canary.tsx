import { Button } from 'react-aria-components/Button';
import type { CanariesView, CanaryLine, CanaryRun } from '../../../src/read/views/canaries.ts';
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

/** Runs of all recipients in the second table. */
const historyShown = 30;

/** Would a withdrawal be carried out now? An invented person has just tried. */
export function CanaryPage() {
  const words = useWords();
  const format = useFormat();
  const { role } = useSession();
  const live = useLive<CanariesView>('/v1/canaries');
  const action = useAction();
  const { data } = live;
  const history = (data?.canaries ?? [])
    .flatMap(({ name, runs }) => runs.map((run) => ({ ...run, name })))
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt))
    .slice(0, historyShown);
  const said = data && sentenceOf(data, words, format);
  return (
    <Page title={words.canary.title} aside={<Freshness live={live} />}>
      {said ? (
        <Sentence tone={said.tone}>{said.text}</Sentence>
      ) : (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      )}
      <p className="lead">{words.canary.intro}</p>
      {live.problem && <Problem problem={live.problem} />}
      {action.problem && <Problem problem={action.problem} />}
      {data && data.canaries.length === 0 && <p className="quiet">{words.empty.recipients}</p>}
      {data && data.canaries.length > 0 && (
        <>
          <Table
            caption={words.canary.caption}
            columns={lineColumns(words, format, role !== 'viewer', action.start)}
            rows={data.canaries}
            rowKey={({ recipient }) => recipient}
          />
          <p className="quiet note">{words.canary.every(format.span(data.everyS * 1_000))}</p>
        </>
      )}
      {history.length > 0 && (
        <Table
          caption={words.canary.history}
          columns={historyColumns(words, format)}
          rows={history}
          rowKey={({ id }) => id}
        />
      )}
    </Page>
  );
}

/** The newest run that has ended. */
const lastOf = ({ runs }: CanaryLine): CanaryRun | undefined => runs.find(({ result }) => result !== null);

function sentenceOf(
  { canaries }: CanariesView,
  { canary, units }: Words,
  format: Format,
): { tone: 'good' | 'warn' | 'bad'; text: string } {
  const configured = canaries.filter((one) => one.configured);
  const named = (some: readonly CanaryLine[]): string => some.map(({ name }) => name).join(', ');
  const leaking = configured.filter((one) => lastOf(one)?.refused === 'sent');
  const bad = configured.filter((one) => (lastOf(one)?.result ?? 'ok') !== 'ok');
  const waiting = configured.filter((one) => lastOf(one) === undefined);
  if (configured.length === 0) return { tone: 'warn', text: canary.sentence.none };
  if (leaking.length > 0) return { tone: 'bad', text: canary.sentence.leak(named(leaking)) };
  if (bad.length > 0) return { tone: 'bad', text: canary.sentence.bad(named(bad)) };
  if (waiting.length > 0)
    return { tone: 'warn', text: canary.sentence.waiting(format.counted(waiting.length, units.recipients)) };
  return { tone: 'good', text: canary.sentence.good(format.counted(configured.length, units.recipients)) };
}

const tones = { ok: 'good', late: 'warn', lost: 'bad', error: 'bad' } as const;
const dash = '–';

function Result({ run, words }: { run: CanaryRun; words: Words }) {
  const { canary } = words;
  if (run.result === null) return <span className="quiet">{canary.running}</span>;
  const { reason } = run;
  return (
    <span className="two-lines">
      <ResultMark tone={tones[run.result]}>{canary.results[run.result]}</ResultMark>
      {reason !== null && (
        <span className="quiet small">
          {Object.hasOwn(canary.reasons, reason) ? (
            canary.reasons[reason as keyof Words['canary']['reasons']]
          ) : (
            <code>{reason}</code>
          )}
        </span>
      )}
    </span>
  );
}

const offeredWord = ({ canary }: Words, refused: string | null): string =>
  refused === null
    ? dash
    : Object.hasOwn(canary.offered, refused)
      ? canary.offered[refused as keyof Words['canary']['offered']]
      : refused;

const figureColumns = <T,>(words: Words, format: Format, runOf: (row: T) => CanaryRun | undefined): Column<T>[] => {
  const span = (ms: number | null | undefined): string => (ms === null || ms === undefined ? dash : format.span(ms));
  const { canary } = words;
  return [
    { key: 'arrived', title: canary.arrived, numeric: true, cell: (row) => span(runOf(row)?.arrivedMs) },
    { key: 'gate', title: canary.gate, numeric: true, cell: (row) => span(runOf(row)?.gateMs) },
    { key: 'accepted', title: canary.accepted, numeric: true, cell: (row) => span(runOf(row)?.acceptedMs) },
    { key: 'refused', title: canary.refused, cell: (row) => offeredWord(words, runOf(row)?.refused ?? null) },
  ];
};

const lineColumns = (
  words: Words,
  format: Format,
  mayRun: boolean,
  start: (path: string) => void,
): Column<CanaryLine>[] => {
  const { canary, overview, parked } = words;
  return [
    {
      key: 'recipient',
      title: overview.recipient,
      cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
    },
    {
      key: 'result',
      title: canary.result,
      cell: (line) => {
        const last = lastOf(line);
        if (!line.configured) return <span className="quiet">{canary.notConfigured}</span>;
        return last ? <Result run={last} words={words} /> : <span className="quiet">{canary.never}</span>;
      },
    },
    ...figureColumns<CanaryLine>(words, format, lastOf),
    {
      key: 'success',
      title: canary.lastSuccess,
      cell: ({ lastSuccessAt }) => (lastSuccessAt === null ? dash : <Time at={lastSuccessAt} />),
    },
    {
      key: 'action',
      title: canary.run,
      cell: ({ configured, running, recipient, name }) =>
        !configured ? (
          dash
        ) : mayRun ? (
          <Button
            isDisabled={running}
            aria-label={canary.runAt(name)}
            onPress={() => start(`/v1/canaries/${encodeURIComponent(recipient)}/runs`)}
          >
            {running ? canary.running : canary.run}
          </Button>
        ) : (
          <span className="quiet">{parked.needsRole}</span>
        ),
    },
  ];
};

const historyColumns = (words: Words, format: Format): Column<CanaryRun & { readonly name: string }>[] => {
  const { canary, overview } = words;
  return [
    { key: 'started', title: canary.started, cell: ({ startedAt }) => <Time at={startedAt} /> },
    { key: 'recipient', title: overview.recipient, cell: ({ name }) => name },
    { key: 'result', title: canary.result, cell: (run) => <Result run={run} words={words} /> },
    ...figureColumns<CanaryRun & { readonly name: string }>(words, format, (run) => run),
    { key: 'asked', title: canary.askedBy, cell: ({ askedBy }) => <code>{askedBy}</code> },
    {
      key: 'trace',
      title: canary.trace,
      cell: ({ changeId, name, startedAt }) =>
        changeId === null ? (
          dash
        ) : (
          <PageLink to={addressOf.withdrawal(changeId)} label={`${canary.trace}: ${name}, ${format.recent(startedAt)}`}>
            {canary.trace}
          </PageLink>
        ),
    },
  ];
};
