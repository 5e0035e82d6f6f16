import { Button } from 'react-aria-components/Button';
import type { AuditLine } from '../../../src/read/views/audit.ts';
import { useList } from '../data/list.ts';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';

/** Who looked at whom and who did what. */
export function AuditPage() {
  const words = useWords();
  const format = useFormat();
  const list = useList<AuditLine>('/v1/audit');
  return (
    <Page title={words.audit.title}>
      <p className="lead">{words.audit.intro}</p>
      {list.items === null && list.problem === null && <p role="status">{words.line.loading}</p>}
      {list.items?.length === 0 && <p>{words.audit.none}</p>}
      {list.items && list.items.length > 0 && (
        <Table
          caption={words.audit.title}
          hideCaption
          columns={columns(words, format)}
          rows={list.items}
          rowKey={({ id }) => String(id)}
        />
      )}
      {list.problem && <Problem problem={list.problem} onRetry={list.retry} />}
      {list.more && <Button onPress={list.more}>{words.list.more}</Button>}
    </Page>
  );
}

const columns = ({ audit }: Words, format: Format): Column<AuditLine>[] => [
  { key: 'at', title: audit.at, cell: ({ at }) => <Time at={at} /> },
  { key: 'actor', title: audit.actor, cell: ({ actor }) => actor },
  {
    key: 'action',
    title: audit.action,
    cell: ({ action }) =>
      Object.hasOwn(audit.actions, action) ? audit.actions[action as keyof typeof audit.actions] : action,
  },
  { key: 'target', title: audit.target, cell: (line) => <Target line={line} /> },
  { key: 'reason', title: audit.reason, cell: ({ reason }) => reason ?? '–' },
  { key: 'via', title: audit.via, cell: ({ via }) => via },
  { key: 'times', title: audit.times, numeric: true, cell: ({ times }) => format.count(times) },
];

function Target({ line }: { line: AuditLine }) {
  const { changeId } = line.detail;
  const target = <code>{line.target}</code>;
  return typeof changeId === 'string' ? <PageLink to={addressOf.withdrawal(changeId)}>{target}</PageLink> : target;
}
