import type { Overview } from '../../../src/read/views/overview.ts';
import type { ConnectorLine } from '../../../src/read/views/recipients.ts';
import type { Percentiles } from '../../../src/read/views/words.ts';
import { useLive } from '../data/live.ts';
import { Freshness } from '../parts/freshness.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { StatusWord, toneOf } from '../parts/status-word.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';
import { Alerts } from './alerts.tsx';
import { sentenceOf } from './sentence.ts';
import { withdrawalColumns } from './withdrawal-columns.tsx';

/** Is every withdrawal enforced, and if not, where not: one sentence, then the lines behind it. */
export function OverviewPage() {
  const words = useWords();
  const format = useFormat();
  const live = useLive<Overview>('/v1/overview');
  const { data } = live;
  const sentence = data && sentenceOf(data, words, format);
  return (
    <Page title={words.overview.title} aside={<Freshness live={live} />}>
      {sentence ? (
        <Sentence tone={sentence.tone}>{sentence.text}</Sentence>
      ) : (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      )}
      {data && <Known view={data} />}
      {live.problem && <Problem problem={live.problem} />}
      {data?.alerts && <Alerts view={data.alerts} />}
      {data && (
        <>
          {data.connectors.length === 0 ? (
            <p className="quiet">{words.empty.recipients}</p>
          ) : (
            <Table
              caption={words.overview.recipients}
              columns={connectorColumns(words, format)}
              rows={data.connectors}
              rowKey={({ recipient }) => recipient}
              toneOf={({ status }) => toneOf[status]}
            />
          )}
          <p className="quiet note">{words.overview.facts}</p>
          {data.latest.length === 0 ? (
            <p className="quiet">{words.empty.withdrawals}</p>
          ) : (
            <Table
              caption={words.overview.latest}
              columns={withdrawalColumns(words, format)}
              rows={data.latest}
              rowKey={({ changeId }) => changeId}
            />
          )}
        </>
      )}
    </Page>
  );
}

/** `ConsentClockSkew` is told from here on. */
const skewedFromS = 0.5;

/** Up to when the sentence is true, and what makes its times doubtful. */
function Known({ view: { knownUntil, clockSkewS } }: { view: Overview }) {
  const words = useWords();
  const format = useFormat();
  const { known } = words;
  return (
    <>
      {Math.abs(clockSkewS) > skewedFromS && (
        <p className="banner warn" role="status">
          {(clockSkewS > 0 ? known.ahead : known.behind)(format.span(Math.abs(clockSkewS) * 1_000))}
        </p>
      )}
      <p className="quiet known">
        {knownUntil === null ? (
          known.unknown
        ) : (
          <>
            {known.until} <Time at={knownUntil} />
          </>
        )}
      </p>
    </>
  );
}

const dash = '–';

const connectorColumns = (words: Words, format: Format): Column<ConnectorLine>[] => {
  const { overview } = words;
  const p99 = (figures: Percentiles | null): string => (figures ? format.span(figures.p99) : dash);
  const zeroIsQuiet = (value: number) => <span className={value === 0 ? 'zero' : 'strong'}>{format.count(value)}</span>;
  return [
    {
      key: 'recipient',
      title: overview.recipient,
      cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
    },
    {
      key: 'status',
      title: overview.status,
      cell: ({ status, reason }) => (
        <span className="two-lines">
          <StatusWord status={status} />
          <span className="quiet small">{words.why[reason]}</span>
        </span>
      ),
    },
    {
      key: 'waiting',
      title: overview.waiting,
      numeric: true,
      cell: ({ unenforced, countedUpTo }) =>
        unenforced >= countedUpTo ? overview.atLeast(format.count(unenforced)) : zeroIsQuiet(unenforced),
    },
    {
      key: 'oldest',
      title: overview.oldest,
      numeric: true,
      cell: ({ unenforced, oldestUnenforcedS }) =>
        unenforced === 0 ? <span className="zero">{dash}</span> : format.span(oldestUnenforcedS * 1_000),
    },
    { key: 'gate', title: overview.gate, numeric: true, cell: ({ gateClosedMs }) => p99(gateClosedMs) },
    {
      key: 'accepted',
      title: overview.accepted,
      numeric: true,
      cell: ({ acceptedMs }) => (acceptedMs ? `${format.span(acceptedMs.p50)} / ${format.span(acceptedMs.p99)}` : dash),
    },
    {
      key: 'missed',
      title: overview.missed,
      numeric: true,
      cell: ({ judged24h: { missedByUs, missedByPartner } }) => (
        <span className={missedByUs + missedByPartner === 0 ? 'zero' : ''}>
          {overview.missedDetail(format.count(missedByUs), format.count(missedByPartner))}
        </span>
      ),
    },
    { key: 'parked', title: overview.parked, numeric: true, cell: ({ parked }) => zeroIsQuiet(parked) },
    {
      key: 'signal',
      title: overview.signal,
      numeric: true,
      cell: ({ gateSilentS }) => (gateSilentS === null ? overview.none : format.span(gateSilentS * 1_000)),
    },
    {
      key: 'leaks',
      title: overview.leaks,
      numeric: true,
      cell: ({ leaks, recipient }) => (
        <PageLink to={`${addressOf.leaks}?recipient=${encodeURIComponent(recipient)}`}>{zeroIsQuiet(leaks)}</PageLink>
      ),
    },
  ];
};
