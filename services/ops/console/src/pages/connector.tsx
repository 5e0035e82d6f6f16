import type { ConnectorView } from '../../../src/read/views/connector.ts';
import { useLive } from '../data/live.ts';
import { DelayChart } from '../parts/delay-chart.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { HeatMap } from '../parts/heat-map.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Stages } from '../parts/stages.tsx';
import { StatusWord, toneOf } from '../parts/status-word.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import { useLanguage } from '../settings.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** One recipient: its state in a sentence, where the time goes, how delay develops, what its gates have applied. */
export function ConnectorPage({ recipient }: { recipient: string }) {
  const words = useWords();
  const live = useLive<ConnectorView>(`/v1/connectors/${encodeURIComponent(recipient)}`);
  const { data } = live;
  return (
    <Page title={data?.line.name ?? recipient} aside={<Freshness live={live} />}>
      {live.problem && <Problem problem={live.problem} />}
      {data === null ? (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      ) : (
        <Connector view={data} words={words} />
      )}
    </Page>
  );
}

function Connector({ view, words }: { view: ConnectorView; words: Words }) {
  const format = useFormat();
  const language = useLanguage();
  const { line, sample } = view;
  const { connector } = words;
  const pending =
    line.unenforced === 0
      ? connector.sentence.quiet
      : connector.sentence.pending(
          format.counted(line.unenforced, words.units.withdrawalsWait),
          format.span(line.oldestUnenforcedS * 1_000),
        );
  return (
    <>
      <Sentence tone={toneOf[line.status]}>
        {words.why[line.reason]}. {pending}
      </Sentence>
      <p className="meta">
        <StatusWord status={line.status} />
        {line.unenforced > 0 && (
          <PageLink to={`${addressOf.stuck}?recipient=${encodeURIComponent(line.recipient)}`}>
            {connector.stuckHere}
          </PageLink>
        )}
      </p>
      {line.documentedDelay && <p className="quiet">{words.documented(line.documentedDelay[language])}</p>}
      <p className="quiet lead">
        {sample.since === null
          ? connector.noSample
          : connector.sample(format.counted(sample.size, words.units.withdrawals), format.recent(sample.since))}
      </p>
      {view.stages.length > 0 && <Stages stages={view.stages} />}
      {view.series.length > 0 && <DelayChart series={view.series} />}
      {sample.size > 0 && <HeatMap heat={view.heat} />}
      <Table
        caption={connector.deadlines}
        columns={deadlineColumns(words, format)}
        rows={view.deadlines24h}
        rowKey={({ within }) => within}
      />
      {view.instances.length === 0 ? (
        <p className="problem">{connector.noInstances}</p>
      ) : (
        <Table
          caption={connector.instances}
          columns={instanceColumns(words, format)}
          rows={view.instances}
          rowKey={({ start }) => start}
        />
      )}
    </>
  );
}

type Deadline = ConnectorView['deadlines24h'][number];
type Instance = ConnectorView['instances'][number];
const limitMs: Readonly<Record<string, number>> = { '10s': 10_000, '60s': 60_000, '15m': 900_000 };

const deadlineColumns = ({ connector }: Words, format: Format): Column<Deadline>[] => [
  { key: 'within', title: connector.within, cell: ({ within }) => format.span(limitMs[within] ?? 0) },
  { key: 'met', title: connector.met, numeric: true, cell: ({ met }) => format.count(met) },
  { key: 'us', title: connector.missedUs, numeric: true, cell: ({ missedByUs }) => format.count(missedByUs) },
  {
    key: 'them',
    title: connector.missedThem,
    numeric: true,
    cell: ({ missedByPartner }) => format.count(missedByPartner),
  },
];

const instanceColumns = ({ connector }: Words, format: Format): Column<Instance>[] => [
  { key: 'gate', title: connector.gate, cell: ({ gate }) => gate },
  { key: 'started', title: connector.started, cell: ({ since }) => <Time at={since} /> },
  { key: 'silent', title: connector.silent, numeric: true, cell: ({ silentS }) => format.span(silentS * 1_000) },
  {
    key: 'confirmed',
    title: connector.confirmed,
    cell: ({ lastConfirmedAt }) => (lastConfirmedAt === null ? '–' : <Time at={lastConfirmedAt} />),
  },
  { key: 'behind', title: connector.behind, numeric: true, cell: ({ behind }) => format.count(behind) },
];
