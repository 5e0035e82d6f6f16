import type { AlertLine, AlertsView } from '../../../src/read/views/alerts.ts';
import { PageLink } from '../parts/link.tsx';
import { ResultMark } from '../parts/result-mark.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useWords } from '../words/use-words.ts';

/** What fires, and what nobody is called for until when, and by whose word. */
export function Alerts({ view }: { view: AlertsView }) {
  const words = useWords();
  const { alerts } = words;
  if (!view.answers) return <p className="banner warn">{alerts.unreachable}</p>;
  return (
    <>
      {view.silences.length > 0 && (
        <section className="banner warn" aria-label={alerts.silences}>
          <ul>
            {view.silences.map(({ of, by, until, comment }) => (
              <li key={`${of} ${until}`}>
                {alerts.silenced(of, by)} <Time at={until} />
                {comment !== '' && <span className="quiet"> {comment}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
      {view.alerts.length === 0 ? (
        <p className="quiet note">{alerts.none}</p>
      ) : (
        <Table
          caption={alerts.caption}
          columns={columns(words)}
          rows={view.alerts}
          rowKey={({ name, recipient, since, summary }) => [name, recipient, since, summary].join(' ')}
        />
      )}
    </>
  );
}

const columns = ({ alerts, overview }: Words): Column<AlertLine>[] => [
  {
    key: 'name',
    title: alerts.name,
    cell: ({ name, summary }) => (
      <span className="two-lines">
        {name}
        <span className="quiet small">{summary}</span>
      </span>
    ),
  },
  {
    key: 'severity',
    title: alerts.severity,
    cell: ({ severity, silenced }) => (
      <ResultMark tone={silenced ? 'calm' : severity === 'page' ? 'bad' : 'warn'}>
        {silenced ? alerts.isSilenced : alerts.severities[severity]}
      </ResultMark>
    ),
  },
  {
    key: 'recipient',
    title: overview.recipient,
    cell: ({ recipient }) =>
      recipient === null ? '–' : <PageLink to={addressOf.connector(recipient)}>{recipient}</PageLink>,
  },
  { key: 'since', title: alerts.since, cell: ({ since }) => <Time at={since} /> },
  { key: 'owner', title: alerts.owner, cell: ({ owner }) => owner ?? '–' },
  { key: 'runbook', title: alerts.runbook, cell: ({ runbook }) => (runbook === null ? '–' : <code>{runbook}</code>) },
];
