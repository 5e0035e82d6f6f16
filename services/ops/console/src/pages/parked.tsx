import { useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { Dialog } from 'react-aria-components/Dialog';
import { Heading } from 'react-aria-components/Heading';
import { Modal, ModalOverlay } from 'react-aria-components/Modal';
import type { ParkedGroup, ParkedView } from '../../../src/read/views/parked.ts';
import { useLive } from '../data/live.ts';
import { useSession } from '../data/session.ts';
import { Freshness } from '../parts/freshness.tsx';
import { PageLink } from '../parts/link.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sentence } from '../parts/sentence.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { addressOf } from '../router.ts';
import type { Words } from '../words/en.ts';
import { useFormat, type Format } from '../words/format.ts';
import { useWords } from '../words/use-words.ts';
import { ReplaySteps } from './replay-steps.tsx';

/** Work that waits for a person, and trying it again: first what would happen, then doing it. */
export function ParkedPage() {
  const words = useWords();
  const format = useFormat();
  const { role } = useSession();
  const live = useLive<ParkedView>('/v1/parked');
  const [chosen, setChosen] = useState<ParkedGroup | null>(null);
  const { data } = live;
  const total = data?.groups.reduce((sum, { count }) => sum + count, 0) ?? 0;
  return (
    <Page title={words.parked.title} aside={<Freshness live={live} />}>
      {data === null ? (
        live.problem === null && <Sentence>{words.line.loading}</Sentence>
      ) : total === 0 ? (
        <Sentence tone="good">{words.parked.none}</Sentence>
      ) : (
        <Sentence tone="warn">{words.parked.sentence(format.counted(total, words.units.changesParked))}</Sentence>
      )}
      {live.problem && <Problem problem={live.problem} />}
      {data && data.groups.length > 0 && (
        <Table
          caption={words.parked.caption}
          columns={columns(words, format, role !== 'viewer', setChosen)}
          rows={data.groups}
          rowKey={({ recipient, reason }) => `${recipient} ${reason}`}
        />
      )}
      <ModalOverlay
        isOpen={chosen !== null}
        onOpenChange={(open) => !open && setChosen(null)}
        isDismissable
        className="veil"
      >
        <Modal className="modal">
          <Dialog>
            {({ close }) =>
              chosen && (
                <>
                  <Heading slot="title">{words.parked.dialog.title(chosen.name)}</Heading>
                  <p className="quiet">
                    <code>{chosen.reason}</code>
                  </p>
                  <ReplaySteps group={chosen} close={close} />
                </>
              )
            }
          </Dialog>
        </Modal>
      </ModalOverlay>
    </Page>
  );
}

const columns = (
  words: Words,
  format: Format,
  mayReplay: boolean,
  choose: (group: ParkedGroup) => void,
): Column<ParkedGroup>[] => {
  const { parked, overview } = words;
  return [
    {
      key: 'recipient',
      title: overview.recipient,
      cell: ({ recipient, name }) => <PageLink to={addressOf.connector(recipient)}>{name}</PageLink>,
    },
    { key: 'reason', title: parked.reason, cell: ({ reason }) => <code>{reason}</code> },
    {
      key: 'count',
      title: parked.count,
      numeric: true,
      cell: ({ count, countedUpTo }) =>
        count >= countedUpTo ? overview.atLeast(format.count(count)) : format.count(count),
    },
    { key: 'oldest', title: parked.oldest, cell: ({ oldestAt }) => <Time at={oldestAt} /> },
    { key: 'newest', title: parked.newest, cell: ({ newestAt }) => <Time at={newestAt} /> },
    {
      key: 'example',
      title: parked.example,
      cell: ({ sample }) => <PageLink to={addressOf.withdrawal(sample.changeId)}>{sample.subject}</PageLink>,
    },
    {
      key: 'action',
      title: parked.action,
      cell: (group) =>
        !group.replayable ? (
          <span className="quiet">{parked.noConnector}</span>
        ) : mayReplay ? (
          <Button onPress={() => choose(group)} aria-label={`${parked.check} ${group.name}, ${group.reason}`}>
            {parked.check}
          </Button>
        ) : (
          <span className="quiet">{parked.needsRole}</span>
        ),
    },
  ];
};
