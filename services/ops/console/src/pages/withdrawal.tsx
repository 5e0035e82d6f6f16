import type { PropagationAnswer, RecipientView } from '../../../src/read/views/propagation.ts';
import { useLive } from '../data/live.ts';
import { Freshness } from '../parts/freshness.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Mark } from '../parts/status-word.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import { useLanguage, type Language } from '../settings.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** Where one change has arrived: our gate and the partner's answer apart, each with its time. */
export function WithdrawalPage({ changeId }: { changeId: string }) {
  const words = useWords();
  const format = useFormat();
  const live = useLive<PropagationAnswer>(`/v1/propagations/${encodeURIComponent(changeId)}`);
  const { data } = live;
  const title = data?.direction === 'grant' ? words.withdrawal.grantTitle : words.withdrawal.title;
  return (
    <Page title={title} aside={data?.allAccepted && data.allGatesClosed ? undefined : <Freshness live={live} />}>
      {live.problem && <Problem problem={live.problem} />}
      {data === null ? (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      ) : (
        <Trace view={data} words={words} format={format} />
      )}
    </Page>
  );
}

function Trace({ view, words, format }: { view: PropagationAnswer; words: Words; format: Format }) {
  const language = useLanguage();
  const error = Math.max(0, ...view.recipients.map(({ errorMs }) => errorMs));
  return (
    <>
      <Sentence tone={view.allAccepted && view.allGatesClosed ? 'good' : 'warn'}>{said(view, words, format)}</Sentence>
      <dl className="facts">
        <dt>{words.withdrawal.person}</dt>
        <dd>
          <code>{view.subject}</code>
        </dd>
        <dt>{words.withdrawal.purposes}</dt>
        <dd>{view.purposes.join(', ')}</dd>
        <dt>{words.withdrawal.committed}</dt>
        <dd>
          <Time at={view.committedAt} long />
        </dd>
        <dt>{words.withdrawal.version}</dt>
        <dd>{format.count(view.version)}</dd>
        <dt>{words.withdrawal.change}</dt>
        <dd>
          <code>{view.changeId}</code>
        </dd>
      </dl>
      {view.recipients.length > 0 && (
        <>
          <Table
            caption={words.withdrawal.recipients}
            columns={columns(words, format, language)}
            rows={view.recipients}
            rowKey={({ recipient }) => recipient}
          />
          <Table
            caption={words.withdrawal.times}
            columns={marks(words)}
            rows={view.recipients}
            rowKey={({ recipient }) => recipient}
          />
          {error > 0 && <p className="quiet note">{words.withdrawal.error(format.span(error))}</p>}
        </>
      )}
    </>
  );
}

function said(view: PropagationAnswer, words: Words, format: Format): string {
  const { sentence } = words.withdrawal;
  if (view.direction === 'grant') return sentence.grant;
  const all = view.recipients.length;
  if (all === 0) return sentence.none;
  const done = view.recipients.filter(
    ({ outcome }) => outcome !== undefined && outcome !== 'parked' && outcome !== 'waiting',
  ).length;
  const closed = view.recipients.filter(({ gateClosedAt }) => gateClosedAt !== undefined).length;
  return [
    view.allAccepted ? sentence.done : sentence.open(format.count(done), format.count(all)),
    view.allGatesClosed ? sentence.gates : sentence.gatesOpen(format.count(closed), format.count(all)),
  ].join(' ');
}

const open = new Set(['waiting', 'retrying', 'parked']);
const stateWord = (words: Words, state: string): string =>
  Object.hasOwn(words.state, state) ? words.state[state as keyof Words['state']] : state;

const columns = (words: Words, format: Format, language: Language): Column<RecipientView>[] => {
  const { withdrawal } = words;
  return [
    {
      key: 'recipient',
      title: words.overview.recipient,
      cell: ({ recipient, name, documentedDelay }) => (
        <span className="two-lines">
          <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>
          {documentedDelay && <span className="quiet small">{words.documented(documentedDelay[language])}</span>}
        </span>
      ),
    },
    {
      key: 'state',
      title: withdrawal.state,
      cell: ({ state, contradictedAt }) => {
        const tone = open.has(state) ? 'warn' : 'good';
        return (
          <span className="two-lines">
            <span className={`status ${open.has(state) ? 'warn' : ''}`}>
              <Mark tone={tone} />
              {stateWord(words, state)}
            </span>
            {contradictedAt !== undefined && (
              <span className="bad small">{words.takenBack(format.recent(contradictedAt))}</span>
            )}
          </span>
        );
      },
    },
    {
      key: 'gate',
      title: withdrawal.gate,
      numeric: true,
      cell: ({ gateClosedMs, gateClosedBy }) =>
        gateClosedMs === undefined ? (
          '–'
        ) : (
          <span className="two-lines end">
            {format.span(gateClosedMs)}
            {gateClosedBy === 'lease' && <span className="quiet small">{withdrawal.byLease}</span>}
          </span>
        ),
    },
    {
      key: 'accepted',
      title: withdrawal.accepted,
      numeric: true,
      cell: ({ acceptedMs }) => (acceptedMs === undefined ? '–' : format.span(acceptedMs)),
    },
    { key: 'attempts', title: withdrawal.attempts, numeric: true, cell: ({ attempts }) => format.count(attempts) },
    {
      key: 'reason',
      title: withdrawal.reason,
      cell: ({ reason }) => (reason === undefined ? '–' : <code>{reason}</code>),
    },
  ];
};

const markNames = ['t1', 't2', 't3', 't4', 't5', 't6', 't7'] as const;

const marks = (words: Words): Column<RecipientView>[] => [
  { key: 'recipient', title: words.overview.recipient, cell: ({ name }) => name },
  ...markNames.map((mark): Column<RecipientView> => ({
    key: mark,
    title: words.withdrawal.marks[mark],
    numeric: true,
    cell: ({ times }) => {
      const at = times[mark];
      return at === undefined ? '–' : <Exact at={at} />;
    },
  })),
];

/** To the millisecond: here the order of things is the point. */
function Exact({ at }: { at: string }) {
  const format = useFormat();
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={format.moment(iso)}>
      {format.clock(iso)}
      <span className="quiet">.{iso.slice(20, 23)}</span>
    </time>
  );
}
