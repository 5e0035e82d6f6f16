import { createKafka } from '@entente/kafka';
import { createLogger, systemClock } from '@entente/observability';
import { Gate } from '../index.ts';
import { acme, crm, email, meta, subject } from './consent-fixtures.ts';

/** A gate in a process of its own, to be stopped and killed: says every few milliseconds how it would answer for subject 1. */
const [brokers = '', consentUrl = '', directory = ''] = process.argv.slice(2);
const log = createLogger({ service: 'stoppable-gate', level: 'silent' });
const gate = await Gate.open({
  controller: acme,
  gate: 'crm-connector-1',
  recipients: [crm, meta],
  kafka: createKafka({ clientId: 'stoppable-gate', brokers: brokers.split(','), log }),
  consentUrl,
  token: () => Promise.resolve('secret'),
  directory,
  clock: systemClock,
  log,
});
setInterval(() => {
  // Before the decision: stopped in between, it would pass an old word off as a new one.
  const at = systemClock.now();
  const { kind } = gate.decide({ subjectKey: subject(1), purpose: email, recipient: crm });
  process.stdout.write(`${kind} ${at}\n`);
}, 5);
