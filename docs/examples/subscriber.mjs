// A partner team that listens to Kafka itself: no code of Entente, only docs/asyncapi.json.
//
//   KAFKA=host:port,…  AUDIENCE=crm  AUDIENCE_KEY=kid:base64url  RECIPIENT=panel  STORE=panel.sqlite  node subscriber.mjs
//
// It stops at every withdrawal that names it, remembers the newest version of each person so that a late or repeated
// record changes nothing, and acknowledges only what has happened.
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import {
  Consumer,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  stringSerializers,
} from '@platformatic/kafka';
import { compactDecrypt } from 'jose';

const { KAFKA, AUDIENCE, AUDIENCE_KEY, RECIPIENT, STORE } = process.env;
const bootstrapBrokers = KAFKA.split(',');
const [kid, encoded] = AUDIENCE_KEY.split(':');
const key = Buffer.from(encoded, 'base64url');

// The fence and what the team holds stand in one database: one transaction says both or neither.
const store = new DatabaseSync(STORE);
store.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000');
store.exec(
  'CREATE TABLE IF NOT EXISTS newest (subject TEXT PRIMARY KEY, version INTEGER NOT NULL, outcome TEXT, acknowledged INTEGER)',
);
store.exec('CREATE TABLE IF NOT EXISTS panel (email TEXT PRIMARY KEY)');

/** Identifiers sealed for our audience alone (SEAL-1): compact JWE, `dir` with A256GCM. */
async function unsealed(change) {
  const sealed = change.sealed[AUDIENCE];
  if (sealed === undefined) throw new Error('nothing is sealed for us: ask the consent service (GET /v1/sealed)');
  const { plaintext } = await compactDecrypt(sealed, ({ kid: named }) => {
    if (named !== kid) throw new Error(`no key ${named}`);
    return key;
  });
  return JSON.parse(Buffer.from(plaintext).toString());
}

/** What enforcing means here. Idempotent: it runs again when the acknowledgement was lost. */
function forget({ email }) {
  return store.prepare('DELETE FROM panel WHERE email = ?').run(email).changes > 0;
}

async function take({ headers, value }) {
  if (headers.get('ce_type') !== 'org.entente.consent.changed.v1') return;
  const change = JSON.parse(value);
  const denies = change.direction === 'deny' && change.recipients.includes(RECIPIENT);
  const identifiers = denies ? await unsealed(change) : null;
  const consumedAt = new Date().toISOString();
  const outcome = decide(change, identifiers);
  if (outcome === null) return;
  await acknowledge(change, outcome, consumedAt);
  store
    .prepare('UPDATE newest SET acknowledged = 1 WHERE subject = ? AND version = ?')
    .run(change.subjectKey, change.version);
  console.log(`${outcome} ${change.subjectKey} at version ${change.version}`);
}

/** What is to be acknowledged, or null. Nothing is awaited in here: both logs may bring the same change at once. */
function decide({ subjectKey: subject, version }, identifiers) {
  const known = store.prepare('SELECT version, outcome, acknowledged FROM newest WHERE subject = ?').get(subject);
  if (known !== undefined && known.version > version) return identifiers === null ? null : 'superseded';
  // Enforced already; acknowledged again if we died in between.
  if (known?.version === version) return known.outcome === null || known.acknowledged ? null : known.outcome;
  store.exec('BEGIN');
  const outcome = identifiers === null ? null : forget(identifiers) ? 'accepted' : 'nothing-to-do';
  store
    .prepare(
      `INSERT INTO newest VALUES (?, ?, ?, 0) ON CONFLICT (subject)
       DO UPDATE SET version = excluded.version, outcome = excluded.outcome, acknowledged = 0`,
    )
    .run(subject, version, outcome);
  store.exec('COMMIT');
  return outcome;
}

const producer = new Producer({ clientId: RECIPIENT, bootstrapBrokers, serializers: stringSerializers });

/** An outcome at a version settles every change up to it at this recipient (TRK-1). */
async function acknowledge({ controller, subjectKey, version, direction }, outcome, consumedAt) {
  const at = new Date().toISOString();
  const type = 'org.entente.enforcement.recorded.v1';
  const data = {
    controller,
    subjectKey,
    recipient: RECIPIENT,
    version,
    direction,
    outcome,
    attempts: 1,
    consumedAt,
    at,
  };
  await producer.send({
    messages: [
      {
        topic: 'consent.enforcements.v1',
        key: subjectKey,
        // Our own clock, not the database's: we say so with the error we assume, in milliseconds.
        value: JSON.stringify({ ...data, clockErrorMs: 1000 }),
        headers: {
          ce_specversion: '1.0',
          ce_id: randomUUID(),
          ce_source: `urn:${RECIPIENT}`,
          ce_type: type,
          ce_subject: subjectKey,
          ce_time: at,
          'content-type': 'application/json',
        },
      },
    ],
    // Every copy in sync has it, or we try again.
    acks: -1,
  });
}

// Two consumers: a backlog in the complete log must not delay what the express lane brings. One at a time per log.
async function follow(topic) {
  const consumer = new Consumer({ groupId: `${RECIPIENT}-${topic}`, clientId: RECIPIENT, bootstrapBrokers });
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    // A new team, or one that was away for longer than the log is kept, reads all there is.
    fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    autocommit: false,
    maxWaitTime: 100,
  });
  console.log(`following ${topic}`);
  let taken = 0;
  for await (const message of stream) {
    const headers = new Map([...message.headers].map(([name, value]) => [name.toString(), value.toString()]));
    await take({ headers, value: message.value.toString() });
    // Now and then is enough: what is read twice after a restart, the fence leaves without effect.
    taken += 1;
    if (taken % 50 === 0) await message.commit();
  }
}

await Promise.all([follow('consent.revocations.v1'), follow('consent.changes.v1')]);
